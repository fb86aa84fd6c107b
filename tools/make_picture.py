"""Makes the README's picture from a tour.

usage: python tools/make_picture.py TOUR_FOLDER docs/tour.png

TOUR_FOLDER is what `simplecell tour --output TOUR_FOLDER` wrote. Needs Pillow.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROWS = [
    [
        ("photograph", "a photograph"),
        ("lines-vertical", "vertical lines"),
        ("lines-horizontal", "horizontal lines"),
        ("lines-all", "all lines"),
    ],
    [
        ("filters-before", "32 random filters"),
        ("filters-after", "what they learnt from 5,000 pictures of clothes"),
        ("brain-y", "edges in a brain"),
    ],
]
WIDTH, GAP, LABEL = 1120, 16, 30


def row(folder: Path, parts: list[tuple[str, str]]) -> Image.Image:
    """Pictures of one height beside each other, as wide as the page, each with its label below."""
    pictures = [Image.open(folder / f"{name}.png").convert("RGB") for name, _ in parts]
    height = round((WIDTH - GAP * (len(parts) + 1)) / sum(p.width / p.height for p in pictures))
    strip = Image.new("RGB", (WIDTH, height + LABEL + GAP), "white")
    draw, font, x = ImageDraw.Draw(strip), ImageFont.load_default(16), GAP
    for picture, (_, label) in zip(pictures, parts, strict=True):
        width = round(picture.width / picture.height * height)
        strip.paste(
            picture.resize(
                (width, height), Image.Resampling.LANCZOS if width < picture.width else Image.Resampling.NEAREST
            ),
            (x, 0),
        )
        draw.text((x, height + 7), label, fill="#555", font=font)
        x += width + GAP
    return strip


def main(folder: Path, target: Path) -> None:
    strips = [row(folder, parts) for parts in ROWS]
    sheet = Image.new("RGB", (WIDTH, GAP + sum(s.height for s in strips)), "white")
    y = GAP
    for strip in strips:
        sheet.paste(strip, (0, y))
        y += strip.height
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.quantize(256, kmeans=2, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
