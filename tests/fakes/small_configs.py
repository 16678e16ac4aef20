"""Small configurations. Nothing here imports TensorFlow."""

import copy
from pathlib import Path
from typing import Any

from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig

SINUSOID: dict[str, Any] = {
    "name": "small",
    "task": {"kind": "sinusoid", "shots": 5, "queries": 5},
    "model": {"kind": "mlp", "hidden": [8]},
    "algorithm": {"kind": "maml", "inner_lr": 0.05},
    "outer": {"lr": 0.01, "meta_batch_size": 7, "steps": 12},
    "workers": {"count": 0, "block_size": 2},
    "evaluation": {"tasks": 6, "validation_tasks": 5, "every": 4, "inner_steps": [1, 3]},
    "checkpoint": {"every": 4, "keep": 2},
    # XLA takes a second per graph to compile, and to vectorize one takes as long as to trace it
    # twice; the defaults are tested where they matter.
    "runtime": {"xla": False, "execution": "map"},
}
IMAGES: dict[str, Any] = {
    **SINUSOID,
    "task": {"kind": "images", "ways": 3, "shots": 1, "queries": 1, "image_size": 16},
    "model": {"kind": "conv4", "filters": 4},
    "algorithm": {"kind": "maml", "inner_lr": 0.1},
    "outer": {"lr": 0.01, "meta_batch_size": 5, "steps": 12},
}
TABLE: dict[str, Any] = {
    **SINUSOID,
    "task": {"kind": "table", "task_column": "sensor", "target_column": "concentration"},
}
MACHINES = ["task.task_column=machine", "task.target_column=state"]
#: What a preset cannot know.
NEEDED = {
    "table": ["task.path=a.csv", "task.task_column=sensor", "task.target_column=ppm"],
    "signals": ["task.path=a.npz"],
}
NAVIGATION: dict[str, Any] = {
    **SINUSOID,
    "task": {"kind": "navigation", "shots": 4, "queries": 3, "horizon": 7},
    "model": {"kind": "gaussian_mlp", "hidden": [6]},
    "outer": {"lr": 0.01, "meta_batch_size": 5, "steps": 4},
    "evaluation": {
        "tasks": 6,
        "validation_tasks": 5,
        "every": 2,
        "inner_steps": [1, 2],
        "later_lr": 0.5,
    },
    "runtime": {"xla": False},  # environments are side by side
}
GYM: dict[str, Any] = {
    **NAVIGATION,
    "task": {
        **NAVIGATION["task"],
        "kind": "gym",
        "environment": "small_gym:Slope",
        "folder": str(Path(__file__).parent / "tasks"),
        "vary": {"steepness": {"uniform": [0.0, 1.0]}},
    },
}
TRIALS: dict[str, Any] = {
    "task": {"kind": "navigation", "queries": 3, "horizon": 5},
    "model": {"kind": "gaussian_gru", "units": 4},
    "algorithm": {"kind": "rl2"},
    "outer": {"lr": 0.01, "epochs": 2, "meta_batch_size": 4, "steps": 2},
    "evaluation": {"tasks": 6, "validation_tasks": 5, "every": 1},
    "runtime": {"xla": False},
}
#: Actions are a few.
SWITCH = ["task.environment=small_gym:Switch", "model.kind=mlp", "model.hidden=[6]", "task.vary={}"]
#: Of each kind of block one shape, of one task, as a learner's own blocks are: traced once.
ONE_BY_ONE = [
    *["workers.block_size=1", "outer.meta_batch_size=2"],
    *["evaluation.validation_tasks=2", "evaluation.inner_steps=[2]"],
]
REPTILE = ["algorithm.kind=reptile", "outer.optimizer=sgd", "outer.lr=0.5"]
REPTILE_ADAM = [
    *REPTILE,
    "algorithm.inner_optimizer=adam",
    "algorithm.inner_batch=3",
    "outer.schedule=linear",
]
# A model with dropout and each of Keras' normalization layers; see user_models.py.
USER_MODEL = [
    "model.kind=keras",
    "model.source=user_models:small",
    f"model.folder={Path(__file__).parent / 'tasks'}",
]


def sinusoid(*overrides: str) -> MetaConfig:
    return changed(SINUSOID, *overrides)


def navigation(*overrides: str) -> MetaConfig:
    return changed(NAVIGATION, *overrides)


def trials(*overrides: str) -> MetaConfig:
    return changed(TRIALS, *overrides)


def gym(*overrides: str) -> MetaConfig:
    return changed(GYM, *overrides)


def images(source: Path, cache: Path, *overrides: str) -> MetaConfig:
    return changed(IMAGES, f"task.path={source}", f"task.cache={cache}", *overrides)


def table(source: Path, *overrides: str) -> MetaConfig:
    return changed(TABLE, f"task.path={source}", *overrides)


def changed(table: dict[str, Any], *overrides: str) -> MetaConfig:
    table = copy.deepcopy(table)
    for text in overrides:
        configuration.set_key(table, *configuration.parse_override(text))
    return configuration.validate(table)
