#!/usr/bin/env bash
# What: Meta-World registers its benchmark ML1 with gymnasium, as "ML1-train" and "ML1-test".
# Guess: make_vec("Meta-World/ML1-train", ...) has the 50 goals to train on, and "ML1-test" the 50
#   others, as ML10, ML25 and ML45 do under their names.
# What happens: Both have the goals of the test, and both end an episode at its first success, which
#   is meant for tests. The two are registered in a loop, by functions that look up the loop's
#   variable when they are called: it is "test" by then. The functions of ML10 keep a value of their
#   own. `metaworld.make_ml_envs_train` and the class ML1 are right.
# Version: metaworld 3.1.1
# Where it matters: A policy is trained on the goals that it is tested on, and its success rate says
#   nothing of other goals. Use `metaworld.make_ml_envs_train("reach-v3", ...)`, or the class's lists.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q metaworld==3.1.1 gymnasium==1.4.0 mujoco==3.3.0 numpy==2.4.6 \
  packaging==26.4
cd "$work"
venv/bin/python -W ignore - <<'PYTHON'
import pickle
from importlib.metadata import version

import gymnasium
import metaworld


def goals(tasks):
    return {tuple(pickle.loads(task.data)["rand_vec"][3:].round(6)) for task in tasks}


def of_envs(envs):
    lists = envs.get_attr("tasks")
    ends = set(envs.get_attr("terminate_on_success"))
    envs.close()
    return set().union(*map(goals, lists)), ends


print("metaworld", version("metaworld"))
right = metaworld.ML1("reach-v3", seed=0)
train, test = goals(right.train_tasks), goals(right.test_tasks)
assert len(train) == len(test) == 50 and not train & test
settings = {"env_name": "reach-v3", "seed": 0, "meta_batch_size": 2, "vector_strategy": "sync"}
for name in ("ML1-train", "ML1-test"):
    own, ends = of_envs(gymnasium.make_vec(f"Meta-World/{name}", **settings))
    print(f"{name}: {len(own & train)} training goals, {len(own & test)} test goals, {ends=}")
    assert own == test and ends == {True}
own, ends = of_envs(metaworld.make_ml_envs_train("reach-v3", seed=0, meta_batch_size=2))
print(f"make_ml_envs_train: {len(own & train)} training goals, {len(own & test)} test goals, {ends=}")
assert own == train and ends == {False}
print("the environments to train in have the goals of the test")
PYTHON
