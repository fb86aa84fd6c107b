"""Looking inside of networks."""

from simplecell.inspection.feature_maps import feature_maps
from simplecell.inspection.receptive_field import ReceptiveField, projective_field, receptive_field

__all__ = ["ReceptiveField", "feature_maps", "projective_field", "receptive_field"]
