"""What a run's end adds to its calibration: the coverage on test tasks, and the support losses."""

from dataclasses import replace
from typing import Any

import numpy as np

from orchestrator.calibration.calibration import QueryOutputs, read_calibration
from orchestrator.calibration.measured import measure
from orchestrator.config.schema import MetaConfig
from orchestrator.evaluate import score_tasks
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.run.launch import Launch
from workers.losses.registry import loss_of
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Recipe, Weights

# Validation tasks whose support losses are kept, or a few more, so that blocks are as large as all.
_NUM_TASKS = 100


def measured_on(
    config: MetaConfig,
    family: TaskFamily,
    validation: dict[str, Any],
    queries: QueryOutputs | None,
) -> dict[str, Any] | None:
    """Measure on test tasks what the calibration of a validation promises.

    Args:
      validation: the record of `evaluate.validate`; older versions calibrated nothing.
      queries: outputs for the queries of the test tasks.
    Returns:
      see `calibration.measured.measure`; None if there is nothing to measure.
    """
    calibration = read_calibration(validation.get("calibration"))
    if calibration is None or queries is None:
        return None
    recipe = Recipe(validation["inner_lr"], validation["inner_steps"])
    evaluation = config.evaluation
    asked = evaluation.coverage, evaluation.false_alarms
    return measure(loss_of(family), calibration, recipe, queries, *asked)


def assumption(validation: dict[str, Any]) -> dict[str, str]:
    """Say what a coverage assumes, as a row of the protocol; {} if nothing is calibrated."""
    calibration = read_calibration(validation.get("calibration"))
    if calibration is None:
        return {}
    text = (
        f"test tasks exchangeable with the {calibration.tasks} validation tasks that set "
        "the thresholds; on average over tasks and queries, not in each task"
    )
    return {"coverage_assumes": text}


def support_losses(
    config: MetaConfig, launch: Launch, weights: Weights, recipe: Recipe, inner_steps: int
) -> list[list[float]]:
    """Compute the losses of validation tasks' support sets, before and after adaptation.

    Args:
      recipe: of the evaluation, whose graph is used again.
      inner_steps: after which there is the second loss.
    Returns:
      [tasks, 2], of about `_NUM_TASKS` validation tasks; those that are not finite are left out.
    """
    number = -(-_NUM_TASKS // config.block_size) * config.block_size
    number = min(config.evaluation.validation_tasks, number)
    own = replace(recipe, on_support=True)
    blocks = held_out_blocks(config, launch.family, "validation", number, own)
    losses = score_tasks(launch.pool, weights, blocks)["loss"][:, [0, inner_steps]]
    finite: list[list[float]] = losses[np.isfinite(losses).all(-1)].tolist()
    return finite
