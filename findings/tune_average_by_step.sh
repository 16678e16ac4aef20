#!/usr/bin/env bash
# What: Ray Tune's `get_best_result(scope="avg")`, for a metric that is not in every report.
# Guess: The average is the mean of the values that were reported.
# What happens: The running average weighs the newest value by one over the number of all reports,
#   those without the metric included. With a validation loss of 0.5 at step 1 and of 0 at step 10 the
#   "avg" is 0.45 and not 0.25, and another trial is called the best. `last-5-avg` and `last-10-avg`
#   are right.
# Version: ray 2.60.0
# Where it matters: Validation takes place now and then in every training loop, so "avg" ranks by the first
#   validation more than by later ones. Use `scope="last-10-avg"`, or average the rows of
#   `metrics_dataframe`.
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

VALIDATION = {"falling": {1: 0.5, 10: 0.0}, "level": {1: 0.4, 10: 0.4}}


def train(config):
    for step in range(1, 11):
        seen = VALIDATION[config["name"]]
        tune.report({"loss": 1.0, **({"validation_loss": seen[step]} if step in seen else {})})


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
results = tune.Tuner(
    train,
    param_space={"name": tune.grid_search(list(VALIDATION))},
    run_config=tune.RunConfig(storage_path=os.path.abspath("results"), verbose=0),
).fit()
best = {
    scope: results.get_best_result("validation_loss", "min", scope=scope).config["name"]
    for scope in ("avg", "last-5-avg", "last-10-avg")
}
means = {
    result.config["name"]: float(result.metrics_dataframe["validation_loss"].dropna().mean())
    for result in results
}
kept = {
    trial.config["name"]: trial.metric_analysis["validation_loss"]["avg"]
    for trial in results._experiment_analysis.trials
}
ray.shutdown()
print("ray", ray.__version__)
print("mean of what was reported:", means)
print("Tune's average:           ", kept)
print("best by scope:            ", best)
assert means == {"falling": 0.25, "level": 0.4}
assert {name: round(value, 9) for name, value in kept.items()} == {"falling": 0.45, "level": 0.4}
assert best == {"avg": "level", "last-5-avg": "falling", "last-10-avg": "falling"}
print("the trial with the worse mean is the best by avg")
PYTHON
grep -A 99 '^ray ' output
