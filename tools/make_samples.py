"""Makes the samples in `src/simplecell/data/files` from the packages that carry the originals.

usage: python tools/make_samples.py FOLDER

FOLDER holds the unpacked originals (fetch them with `pip download --no-deps` and `apt-get download`):

    scikit-image 0.26          skimage/data/chelsea.png, coffee.png
    dataset-fashion-mnist      usr/share/datasets/fashion-mnist/*-ubyte.gz      (Debian)
    scipy 1.11.1               scipy/misc/ecg.dat
    nilearn 0.14.1             nilearn/datasets/data/mni_icbm152_*_converted.nii.gz

Needs NumPy and Pillow. The results are deterministic; their licences are in `files/LICENCES.md`.
"""

from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image

FILES = Path(__file__).resolve().parents[1] / "src" / "simplecell" / "data" / "files"


def photograph(root: Path) -> None:
    """The cat: 300 × 451, cropped to its face and scaled to 256 × 256; a high-quality JPEG keeps it small."""
    with Image.open(root / "skimage/data/chelsea.png") as picture:
        face = picture.convert("RGB").crop((75, 0, 375, 300)).resize((256, 256), Image.Resampling.LANCZOS)
    face.save(FILES / "cat.jpg", quality=92, subsampling=0, optimize=True)
    with Image.open(root / "skimage/data/coffee.png") as picture:
        cup = picture.convert("RGB").crop((100, 0, 500, 400)).resize((256, 256), Image.Resampling.LANCZOS)
    cup.save(FILES / "coffee.jpg", quality=90, subsampling=0, optimize=True)


def _idx(path: Path) -> np.ndarray:
    """An array in the IDX format of the MNIST family."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def _balanced(images: np.ndarray, labels: np.ndarray, per_class: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `per_class` images of each class, in the order of the original."""
    keep = np.sort(np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in range(10)]))
    return images[keep], labels[keep]


def fashion(root: Path) -> None:
    """500 training and 100 test images of each class, as one lossless mosaic (100 images a row): PNG predicts pixels
    from their neighbours.

    Grey levels are rounded to 16 (steps of 17): noise below that step is half of the file, and nothing that the eye or
    a network sees.
    """
    folder = root / "usr/share/datasets/fashion-mnist"
    parts = []
    labels = []
    for name, per_class in (("train", 500), ("t10k", 100)):
        images, classes = _balanced(
            _idx(folder / f"{name}-images-idx3-ubyte.gz"), _idx(folder / f"{name}-labels-idx1-ubyte.gz"), per_class
        )
        parts.append(images)
        labels.append(classes)
    images = np.concatenate(parts)
    grey = (np.round(images / 17.0) * 17).astype(np.uint8)
    mosaic = grey.reshape(60, 100, 28, 28).transpose(0, 2, 1, 3).reshape(60 * 28, 100 * 28)
    Image.fromarray(mosaic).save(FILES / "fashion.png", optimize=True)
    np.save(FILES / "fashion_labels.npy", np.concatenate(labels))


def ecg(root: Path) -> None:
    """Five minutes of record 208, 11-bit steps of 5 µV from 1024 as in the original file."""
    with np.load(root / "scipy/misc/ecg.dat") as archive:
        np.savez_compressed(FILES / "ecg.npz", ecg=archive["ecg"])


def _nifti(path: Path) -> np.ndarray:
    """The voxels of a one-file NIfTI-1 image of unsigned bytes, indexed x (left to right), y (back to front), z (bottom
    to top)."""
    raw = gzip.decompress(path.read_bytes())
    x, y, z = struct.unpack("<3h", raw[42:48])
    (datatype,) = struct.unpack("<h", raw[70:72])
    if datatype != 2:
        raise ValueError(f"{path}: expected unsigned bytes (datatype 2), got datatype {datatype}")
    (offset,) = struct.unpack("<f", raw[108:112])
    return np.frombuffer(raw, np.uint8, offset=int(offset), count=x * y * z).reshape((x, y, z), order="F")


def _pooled(volume: np.ndarray, size: int) -> np.ndarray:
    """Means of blocks of size³ voxels."""
    nx, ny, nz = (n // size for n in volume.shape)
    cut = volume[: nx * size, : ny * size, : nz * size].astype(np.float64)
    return cut.reshape(nx, size, ny, size, nz, size).mean(axis=(1, 3, 5))


def brain(root: Path) -> None:
    """The T1 template at 3 mm, cut to the head; z first, front on top of each slice, as slices are looked at; and the
    tissue of each voxel."""
    folder = root / "nilearn/datasets/data"
    t1, grey, white = (
        _pooled(_nifti(folder / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz"), 3)
        for kind in ("t1", "gm", "wm")
    )
    inside = np.argwhere(t1 > 8)
    (x0, y0, z0), (x1, y1, z1) = inside.min(0), inside.max(0) + 1
    t1, grey, white = (v[x0:x1, y0:y1, z0:z1].transpose(2, 1, 0)[::-1, ::-1] for v in (t1, grey, white))
    tissue = np.where(np.maximum(grey, white) < 96, 0, np.where(grey >= white, 1, 2)).astype(np.uint8)
    np.savez_compressed(FILES / "brain.npz", t1=np.round(t1 * (255 / t1.max())).astype(np.uint8), tissue=tissue)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    FILES.mkdir(parents=True, exist_ok=True)
    for make in (photograph, fashion, ecg, brain):
        make(Path(sys.argv[1]))
    for file in sorted(FILES.iterdir()):
        print(f"{file.stat().st_size:>9,}  {file.name}")
