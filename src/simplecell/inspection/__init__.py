"""Looking inside of networks."""

from simplecell.inspection.receptive_field import ReceptiveField, projective_field, receptive_field

__all__ = ["ReceptiveField", "projective_field", "receptive_field"]
