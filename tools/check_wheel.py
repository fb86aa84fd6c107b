"""Do the wheel and the source distribution hold what they should, and nothing else?

python tools/check_wheel.py DIST.whl DIST.tar.gz
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "simplecell"


def expected() -> set[str]:
    """The package's files in the checkout, relative to `src/`."""
    files = (p for p in PACKAGE.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {p.relative_to(ROOT / "src").as_posix() for p in files}


def faults(wheel: Iterable[str], source: Iterable[str]) -> list[str]:
    """What is wrong, in words; nothing if all is well."""
    in_wheel = {n for n in wheel if not PurePosixPath(n).parts[0].endswith(".dist-info")}
    in_source = {"/".join(PurePosixPath(n).parts[1:]) for n in source}
    found = [f"the wheel lacks {n}" for n in sorted(expected() - in_wheel)]
    found += [f"the wheel has {n}, which is no file of the package" for n in sorted(in_wheel - expected())]
    found += [f"the source distribution lacks {n}" for n in sorted({f"src/{n}" for n in expected()} - in_source)]
    wanted = ("pyproject.toml", "README.md", "LICENSE")
    return found + [f"the source distribution lacks {n}" for n in wanted if n not in in_source]


def main(wheel: str, source: str) -> None:
    with zipfile.ZipFile(wheel) as w, tarfile.open(source) as s:
        found = faults(w.namelist(), [m.name for m in s.getmembers() if m.isfile()])
    if found:
        sys.exit("\n".join(found))
    print(
        f"{Path(wheel).name} ({Path(wheel).stat().st_size >> 20} MiB) and {Path(source).name}: complete, nothing else"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
