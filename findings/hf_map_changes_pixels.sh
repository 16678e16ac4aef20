#!/usr/bin/env bash
# What: Hugging Face `datasets`, a column of JPEG images, and a `map` that only adds another column.
# Guess: The images stay as they are; if they are written again, then without loss.
# What happens: A function that as much as looks at the image (`{"width": row["image"].width}`) has the
#   JPEG encoded again, at Pillow's default quality, although it does not return the image. Pixels
#   change, of noise by more than 20 levels. A `filter` that looks changes nothing, nor does a `map`
#   that does not look.
# Version: datasets 5.2.0, pillow 13.0.0
# Where it matters: Preparing data twice, or by one more `map`, gives other images and other results; a
#   digest of the data changes. Cast the column to `Image(decode=False)` before such a `map` and back
#   after it, and decode in the function.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q datasets==5.2.0 pillow==13.0.0 pyarrow==26.0.1 numpy==2.4.6
cd "$work"
export HF_HUB_OFFLINE=1 HF_HOME="$work/home" HF_DATASETS_DISABLE_PROGRESS_BARS=1
venv/bin/python - <<'PYTHON'
import io

import datasets
import numpy as np
import PIL
from PIL import Image

pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
buffer = io.BytesIO()
Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
given = buffer.getvalue()
rows = datasets.Dataset.from_dict({"image": [{"bytes": given, "path": None}]})
rows = rows.cast_column("image", datasets.Image())


def report(what, changed):
    before, after = (np.asarray(part[0]["image"], np.int64) for part in (rows, changed))
    stored = changed.cast_column("image", datasets.Image(decode=False))[0]["image"]["bytes"]
    largest = int(abs(after - before).max())
    print(f"{what}: {len(given)} -> {len(stored)} bytes, largest change of a pixel {largest}")
    return stored == given, largest


def width_of_bytes(row):
    return {"width": Image.open(io.BytesIO(row["image"]["bytes"])).width}


print("datasets", datasets.__version__, "pillow", PIL.__version__)
raw = rows.cast_column("image", datasets.Image(decode=False)).map(width_of_bytes)
kept = [
    report("filter that looks       ", rows.filter(lambda row: row["image"].width == 32)),
    report("map that does not look  ", rows.map(lambda row: {"number": 1})),
    report("map of the column, raw  ", raw.cast_column("image", datasets.Image())),
]
looked = report("map that looks          ", rows.map(lambda row: {"width": row["image"].width}))
assert kept == [(True, 0)] * 3
assert not looked[0] and looked[1] > 20
print("a map that only looks at the image has encoded it again, with loss")
PYTHON
