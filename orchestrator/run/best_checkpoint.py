"""The evaluation of a run's best checkpoint on the test tasks."""

from dataclasses import replace
from typing import Any

from orchestrator.config.schema import MetaConfig
from orchestrator.evaluate import (
    blocks_of,
    evaluate,
    recipe_at,
    score_tasks,
    summarize,
    validate,
)
from orchestrator.records.domain_scores import scores_by_domain
from orchestrator.records.evaluation_protocol import oracle_return, protocol, with_other_statistics
from orchestrator.records.result import Result
from orchestrator.records.task_scores import TaskScores
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
) -> Result:
    """Evaluate the best validated checkpoint in `storage`, or the one `named`, on the test tasks.

    Args:
      choose_again: validate again to choose the inner rate and steps, as always if the checkpoint
        was not validated.
      named: name of a checkpoint; None: the best one.
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
    values = score_tasks(launch.pool, weights, blocks)
    rows = protocol_of(config, launch, validation) | oracle_return(config, launch.family)
    queries_alone: dict[str, Any] | None = None
    if launch.transductive and config.model.statistics == "batch":
        recipe = replace(recipe, inner_steps=validation["inner_steps"], statistics="support")
        scores = evaluate(config, launch.family, launch.pool, weights, "test", recipe)
        normalization = with_other_statistics(rows["normalization"], "batch", "support")
        queries_alone = {"normalization": normalization, **scores[-1]}
    by_size = None
    if cells(config):
        fixed = Recipe(validation["inner_lr"], validation["inner_steps"])
        by_size = scores_by_size(config, launch.family, launch.pool, weights, fixed)
    return Result(
        protocol=rows,
        per_step=summarize(values),
        theta_sha256=sha256(state.theta),
        checkpoint=name,
        metric=validation["metric"],
        sign=validation["sign"],
        queries_alone=queries_alone,
        by_size=by_size,
        by_domain=scores_by_domain(launch.family, blocks, values, validation["inner_steps"]),
        tasks=TaskScores.of(launch.family, blocks, values, validation["inner_steps"]),
    )


def protocol_of(config: MetaConfig, launch: Launch, validation: dict[str, Any]) -> dict[str, Any]:
    """Return the protocol of weights that were validated; empty if they were not."""
    if not validation:
        return {}
    return protocol(config, launch.family, validation, launch.normalizations, launch.transductive)
