"""Small samples that travel with the package, so that everything runs offline; `files/LICENCES.md` names their sources
and licences."""

from .brain import TISSUES, brain, brain_tissue
from .ecg import ECG_RATE, ecg
from .fashion import FASHION_CLASSES, fashion, fashion_network
from .photograph import photograph

__all__ = [
    "ECG_RATE",
    "FASHION_CLASSES",
    "TISSUES",
    "brain",
    "brain_tissue",
    "ecg",
    "fashion",
    "fashion_network",
    "photograph",
]
