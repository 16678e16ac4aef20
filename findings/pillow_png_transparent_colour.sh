#!/usr/bin/env bash
# What: Pillow opens a PNG whose tRNS chunk names one colour as transparent, and converts it to RGBA.
# Guess: Alpha is 0 at the pixels of that colour and 255 elsewhere, at each bit depth that PNG has.
# What happens: With 2 or 4 bits of grey, and with 3 x 16 bits, pixels are scaled to 8 bits but the colour is
#   not: no pixel is transparent, or those of a colour that is 256 times as bright. 1, 8 and 3 x 8 bits
#   are right. pypng finds the pixels that the specification names in all of them.
# Version: Pillow 13.0.0, pypng 0.20220715.0
# Where it matters: Drawn characters, icons and maps in few greys, and scans of 48 bits. A background that
#   should be clear stays opaque, and what a model sees differs from what a browser shows.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==13.0.0 pypng==0.20220715.0
cd "$work"
venv/bin/python - <<'PYTHON'
import io

import PIL
import png
from PIL import Image

print("Pillow", PIL.__version__, "pypng", png.__version__)


def both(depth, row, clear, grey):
    """Where each reader finds the colour to be transparent, of a picture of one row."""
    file = io.BytesIO()
    writer = png.Writer(len(row), 1, greyscale=grey, bitdepth=depth, transparent=clear)
    writer.write(file, [[sample for pixel in row for sample in ([pixel] if grey else pixel)]])
    alpha = list(Image.open(io.BytesIO(file.getvalue())).convert("RGBA").getchannel("A").tobytes())
    of_pypng = list(next(iter(png.Reader(bytes=file.getvalue()).asRGBA()[2])))[3::4]
    clear_at = lambda values: [place for place, value in enumerate(values) if value == 0]
    return clear_at(alpha), clear_at(of_pypng)


def colours(depth):
    top = 2**depth - 1
    return [(0, 0, 0), (top, 0, 0), (top, top // 2, 1), (1, 1, 1)]


found = {
    "grey, 1 bit": both(1, [0, 1], 1, True),
    "grey, 2 bits": both(2, [0, 1, 2, 3], 1, True),
    "grey, 4 bits": both(4, [0, 1, 2, 15], 2, True),
    "grey, 8 bits": both(8, [0, 1, 2, 255], 2, True),
    "3 x 8 bits": both(8, colours(8), colours(8)[2], False),
    "3 x 16 bits": both(16, colours(16), colours(16)[2], False),
    "3 x 16, dark": both(16, [(1, 1, 1), (256, 256, 256), (9, 9, 9)], (1, 1, 1), False),
}
for name, (pillow, pypng) in found.items():
    print(f"{name:12} transparent pixels: Pillow {pillow}, pypng {pypng}")
assert found == {
    "grey, 1 bit": ([1], [1]),
    "grey, 2 bits": ([], [1]),
    "grey, 4 bits": ([], [2]),
    "grey, 8 bits": ([2], [2]),
    "3 x 8 bits": ([2], [2]),
    "3 x 16 bits": ([], [2]),
    "3 x 16, dark": ([1], [0]),
}
PYTHON
