#!/usr/bin/env bash
# What: Ray Tune with ASHA; some trials report a loss of NaN from their first report on.
# Guess: NaN is worse than any number, so these trials are stopped at the first rung.
# What happens: They are never stopped. A trial is stopped if its score is below the cutoff, and a
#   comparison with NaN is false: a diverged trial gets the whole budget, as only the best ones
#   should. A very large number in place of NaN is stopped at once.
# Version: ray 2.60.0
# Where it matters: The larger the space of learning rates, the more of a sweep's time goes to trials that are
#   lost. Stop a trial yourself when its loss is not finite (end the function, or report `done`), or
#   report a large number.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'ray[tune]==2.60.0' numpy==2.4.6 pyarrow==26.0.1 pandas==3.1.1
cd "$work"
export HOME="$work" RAY_TMPDIR="$work/r" RAY_USAGE_STATS_ENABLED=0
mkdir r
venv/bin/python - >output 2>errors <<'PYTHON' || { cat output errors; exit 1; }
import os

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

LOSSES = [0.1, 0.2, float("nan"), 0.9, float("nan"), 1e30, 0.8]


def train(config):
    for _ in range(27):
        tune.report({"loss": LOSSES[config["trial"]]})


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
scheduler = ASHAScheduler(max_t=27, grace_period=1, reduction_factor=3)
results = tune.Tuner(
    train,
    param_space={"trial": tune.grid_search(list(range(len(LOSSES))))},
    tune_config=tune.TuneConfig(
        metric="loss", mode="min", scheduler=scheduler, max_concurrent_trials=1
    ),
    run_config=tune.RunConfig(storage_path=os.path.abspath("results"), verbose=0),
).fit()
done = {
    result.metrics["config"]["trial"]: result.metrics["training_iteration"] for result in results
}
ray.shutdown()
print("ray", ray.__version__)
for trial, loss in enumerate(LOSSES):
    print(f"trial {trial}, loss {loss}: {done[trial]} of 27 steps")
assert [done[trial] for trial in range(7)] == [27, 1, 27, 1, 27, 1, 1]
print("the trials whose loss is NaN got the whole budget")
PYTHON
grep -A 99 '^ray ' output
