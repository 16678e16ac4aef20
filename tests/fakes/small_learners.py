"""Small trained runs to adapt, and tasks of theirs as arrays."""

import functools
import os
import tempfile
from pathlib import Path

import numpy as np
from small_runs import in_process

from orchestrator.config.schema import MetaConfig
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage
from workers.wire.protocol import Recipe

#: How it was trained makes no difference to a learner, but to how long that takes to trace.
FIRST_ORDER = "algorithm.first_order=true"


@functools.cache
def trained(settings: str) -> Path:
    """The folder of a run of that configuration (as JSON), trained once. Not to be written to."""
    config = MetaConfig.model_validate_json(settings)
    folder = Path(tempfile.mkdtemp(dir=os.environ["RAY_TMPDIR"])) / "run"
    storage = Storage(str(folder))
    run = TrainingRun(config, storage, in_process(config), None)
    for _ in run.steps():
        pass
    run.close()
    return folder


def run_of(config: MetaConfig) -> Path:
    return trained(config.model_dump_json())


def episode_of(config: MetaConfig, task: int = 0):
    """Support and query arrays of a test task, each without a task axis."""
    family = in_process(config).family
    blocks = held_out_blocks(config, family, "test", task + 1, Recipe(0.1, 1))
    episode = family.build(blocks[task // config.block_size].specs)
    return [array[task % config.block_size] for array in episode]


def outputs_in_evaluation(config: MetaConfig, weights, recipe: Recipe) -> np.ndarray:
    """Of the first test task, by the run's own pool: [inner_steps + 1, queries, outputs]."""
    return _in_evaluation(config, weights, recipe, "predict")["outputs"]


def scores_in_evaluation(config: MetaConfig, weights, recipe: Recipe) -> dict[str, np.ndarray]:
    """Of the first test task, by the run's own pool: name -> [inner_steps + 1]."""
    return _in_evaluation(config, weights, recipe, "evaluate")


def _in_evaluation(config: MetaConfig, weights, recipe: Recipe, kind) -> dict[str, np.ndarray]:
    launched = in_process(config)
    blocks = held_out_blocks(config, launched.family, "test", config.block_size, recipe, kind)
    metrics = launched.pool.run(weights, blocks[:1])[0].metrics
    return {name: values[0] for name, values in metrics.items()}
