#!/usr/bin/env bash
# What: Ray Tune's `tune.qrandint(1, 10, 4)`, drawn by Tune itself and by its OptunaSearch.
# Guess: Both draw from one set, the multiples of 4 in the range: 4 and 8.
# What happens: The sets have no value in common. Tune draws 4 and 8, Optuna 1, 5 and 9: it counts its steps
#   from the lower bound. They agree only if the step divides the lower bound. For floats Tune checks
#   that (`quniform(0.1, 1.0, 0.25)` raises), for integers it does not.
# Version: ray 2.60.0, optuna 5.0.0
# Where it matters: A random search and a TPE search over "the same" batch sizes or inner steps compare
#   configurations that the other can never try, and a point of one is out of the other's range. Write
#   the values out (`tune.choice([4, 8])`), or begin at a multiple of the step.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'ray[tune]==2.60.0' optuna==5.0.0 numpy==2.4.6 pyarrow==26.0.1 pandas==3.1.1
cd "$work"
export HOME="$work" RAY_USAGE_STATS_ENABLED=0
venv/bin/python - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import optuna
import ray
from ray import tune
from ray.tune.search.optuna import OptunaSearch


def by_tune(domain):
    return sorted({int(domain.sample(random_state=seed)) for seed in range(200)})


def by_optuna(domain):
    space = OptunaSearch.convert_search_space({"x": domain})
    sampler = optuna.samplers.RandomSampler(seed=0)
    search = OptunaSearch(space, metric="loss", mode="min", sampler=sampler)
    return sorted({int(search.suggest(str(trial))["x"]) for trial in range(100)})


print("ray", ray.__version__, "optuna", optuna.__version__)
found = {}
for bounds in ((1, 10, 4), (3, 10, 4), (4, 12, 4)):
    domain = tune.qrandint(*bounds)
    found[bounds] = by_tune(domain), by_optuna(domain)
    print(f"qrandint{bounds}: Tune {found[bounds][0]}, OptunaSearch {found[bounds][1]}")
assert found == {
    (1, 10, 4): ([4, 8], [1, 5, 9]),
    (3, 10, 4): ([4, 8], [3, 7]),
    (4, 12, 4): ([4, 8, 12], [4, 8, 12]),
}
try:
    tune.quniform(0.1, 1.0, 0.25)
except ValueError as error:
    print("quniform(0.1, 1.0, 0.25) raises:", error)
else:
    raise AssertionError("floats are not checked")
print("one space, two disjoint sets of values")
PYTHON
