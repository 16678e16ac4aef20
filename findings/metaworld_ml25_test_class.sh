#!/usr/bin/env bash
# What: Meta-World's benchmarks ML10, ML25 and ML45 train on some environments and test on five others.
# Guess: No environment is in both lists of a benchmark: tests are of environments never seen.
# What happens: ML25 trains on basketball-v3 and tests on it too. ML10 and ML45 have no such one, and
#   `CustomML`, for lists of one's own, refuses them: "The test tasks cannot contain any of the train
#   tasks."
# Version: metaworld 3.1.1
# Where it matters: A fifth of ML25's test score is of an environment that was trained on, at other
#   goals. Report the score of each test environment, or give lists of your own.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q metaworld==3.1.1 gymnasium==1.4.0 mujoco==3.3.0 numpy==2.4.6 \
  packaging==26.4
cd "$work"
venv/bin/python -W ignore - <<'PYTHON'
from importlib.metadata import version

from metaworld import env_dict

print("metaworld", version("metaworld"))
both = {}
for name in ("ML10", "ML25", "ML45"):
    classes = getattr(env_dict, f"{name}_V3")
    both[name] = sorted(classes["train"].keys() & classes["test"].keys())
    print(f"{name}: {len(classes['train'])} to train on, {len(classes['test'])} to test on, in both:", both[name])
assert both == {"ML10": [], "ML25": ["basketball-v3"], "ML45": []}
print("a test environment of ML25 is one of its training environments")
PYTHON
