#!/usr/bin/env bash
# What: numpy makes generators from lists, such as [run seed, step, task].
# Guess: Different lists give different streams: that is what seeding by a list is for.
# What happens: Zeros at the end of a list do not count, as long as it has at most four words. The
#   generators of [7], [7, 0] and [7, 0, 0] are one: the run's own, step 0's, and that of its first
#   task. A number of more than 32 bits is two words, so that 2**32 + 7 is [7, 1].
#   `SeedSequence(7).spawn(1)` and `spawn_key=(0,)` do not have this: they pad before they append.
# Version: numpy 2.4.6
# Where it matters: Weights drawn from the seed, the sampler of step 0 and the first task of step 0 use
#   the same random numbers. Give all lists one length and begin each with the number of its purpose,
#   or use spawn keys, or a counter-based generator.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q numpy==2.4.6
cd "$work"
venv/bin/python - <<'PYTHON'
import numpy as np
from numpy.random import SeedSequence, default_rng


def draw(seed):
    return default_rng(seed).integers(0, 1000, 4).tolist()


print("numpy", np.__version__)
for seed in (7, [7], [7, 0], [7, 0, 0], [7, 0, 0, 0], [7, 0, 0, 0, 0], [7, 1], 2**32 + 7):
    print(f"{seed!s:>16}: {draw(seed)}")
assert draw(7) == draw([7]) == draw([7, 0]) == draw([7, 0, 0]) == draw([7, 0, 0, 0])
assert draw([7, 0, 0, 0, 0]) != draw(7)
assert draw([7, 1]) == draw([7, 1, 0]) == draw(2**32 + 7) != draw(7)
child, key = SeedSequence(7).spawn(1)[0], SeedSequence(7, spawn_key=(0,))
print(f"{'spawn key (0,)':>16}: {draw(key)}")
assert draw(child) == draw(key) != draw(7)
print("the seed, its step 0 and that step's task 0 have one stream")
PYTHON
