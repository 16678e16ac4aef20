"""The evaluation of a run's best checkpoint on the test tasks."""

from dataclasses import replace
from typing import Any

from orchestrator.config.schema import MetaConfig
from orchestrator.config.score_unit import unit_of
from orchestrator.evaluate import (
    blocks_of,
    evaluate,
    recipe_at,
    score_queries,
    summarize,
    validate,
)
from orchestrator.records.domain_scores import scores_by_domain
from orchestrator.records.evaluation_protocol import oracle_return, protocol, with_other_statistics
from orchestrator.records.result import Result
from orchestrator.records.support_losses import SupportLosses
from orchestrator.records.task_scores import TaskScores
from orchestrator.run.calibrated import assumption, measured_on, support_losses
from orchestrator.run.launch import Launch
from orchestrator.run.scores_by_size import cells, scores_by_size
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.wire.protocol import Recipe
from workers.wire.tensors import sha256


def evaluate_best(
    config: MetaConfig,
    storage: Storage,
    launch: Launch,
    choose_again: bool = False,
    named: str | None = None,
    with_support: bool = False,
) -> Result:
    """Evaluate the best validated checkpoint in `storage`, or the one `named`, on the test tasks.

    Args:
      choose_again: validate again to choose the inner rate and steps, as always if the checkpoint
        was not validated.
      named: name of a checkpoint; None: the best one.
      with_support: adapt to the validation tasks once more for the losses of their support sets,
        if predictions are calibrated.
    Raises:
      CheckpointError: see `checkpoint.best`.
    """
    name = named or checkpoint.best(storage)[0]
    state, manifest = checkpoint.load(storage, name)
    weights, validation = state.weights, manifest.validation
    if choose_again or not validation:
        validation = validate(config, launch.family, launch.pool, weights)
    recipe = recipe_at(config, validation["inner_lr"])
    blocks = blocks_of(config, launch.family, "test", recipe)
    values, queries = score_queries(launch.pool, weights, blocks)
    rows = protocol_of(config, launch, validation) | oracle_return(config, launch.family)
    calibration = measured_on(config, launch.family, validation, queries)
    support = None
    if calibration and with_support:
        losses = support_losses(config, launch, weights, recipe, validation["inner_steps"])
        support = SupportLosses(sha256(state.theta), losses)
    queries_alone: dict[str, Any] | None = None
    if launch.transductive and config.model.statistics == "batch":
        steps = validation["inner_steps"]
        alone = replace(recipe, inner_steps=steps, statistics="support", outputs_after=())
        scores = evaluate(config, launch.family, launch.pool, weights, "test", alone)
        normalization = with_other_statistics(rows["normalization"], "batch", "support")
        queries_alone = {"normalization": normalization, **scores[-1]}
    by_size = None
    if cells(config):
        fixed = Recipe(validation["inner_lr"], validation["inner_steps"])
        by_size = scores_by_size(config, launch.family, launch.pool, weights, fixed)
    return Result(
        protocol=rows,
        per_step=summarize(values, unit_of(config)),
        theta_sha256=sha256(state.theta),
        checkpoint=name,
        metric=validation["metric"],
        sign=validation["sign"],
        queries_alone=queries_alone,
        by_size=by_size,
        calibration=calibration,
        by_domain=scores_by_domain(launch.family, blocks, values, validation["inner_steps"]),
        support=support,
        tasks=TaskScores.of(launch.family, blocks, values, validation["inner_steps"]),
    )


def protocol_of(config: MetaConfig, launch: Launch, validation: dict[str, Any]) -> dict[str, Any]:
    """Return the protocol of weights that were validated; empty if they were not."""
    if not validation:
        return {}
    rows = protocol(config, launch.family, validation, launch.normalizations, launch.transductive)
    return rows | assumption(validation)
