#!/usr/bin/env bash
# What: A numpy generator draws integers at once, or the same number of them in several calls.
# Guess: The stream is the same however it is cut, as it is for floats and default integers.
# What happens: It is the same for 32 and 64 bits, and another one for uint8, uint16 and bool: each call
#   cuts a 32-bit word into pieces and throws away what is left when it returns.
# Version: numpy 2.4.6
# Where it matters: Tasks drawn one by one and in a batch, or on one worker and on two, get other
#   pixels, flips or class choices, although the generator goes on from where it was. Draw int64 and
#   convert, or give each task a generator of its own.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6
cd "$work"
venv/bin/python - <<'PYTHON'
import numpy as np

print("numpy", np.__version__)
same = {}
for dtype in (np.int64, np.uint32, np.uint16, np.uint8, np.bool_):
    whole, parts = np.random.default_rng(0), np.random.default_rng(0)
    at_once = whole.integers(0, 2, 12, dtype=dtype).astype(int)
    in_four = [parts.integers(0, 2, 3, dtype=dtype).astype(int) for _ in range(4)]
    same[dtype.__name__] = bool((at_once == np.concatenate(in_four)).all())
    print(f"{dtype.__name__:>6}: 12 at once {at_once}, 4 times 3 {np.concatenate(in_four)}")
floats = [np.random.default_rng(0) for _ in range(2)]
assert (floats[0].random(12) == np.ravel([floats[1].random(3) for _ in range(4)])).all()
assert same == {"int64": True, "uint32": True, "uint16": False, "uint8": False, "bool": False}
print("below 32 bits the numbers depend on how the draw is cut")
PYTHON
