"""The best checkpoint of a run on the test tasks."""

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
from orchestrator.records.evaluation_protocol import exchanged, of_the_oracle, protocol
from orchestrator.records.result import Result
from orchestrator.records.task_scores import TaskScores
from orchestrator.run.launch import Launch
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.wire.tensors import sha256


def evaluate_best(
    config: MetaConfig,
    storage: Storage,
    launch: Launch,
    choose_again: bool = False,
    named: str | None = None,
) -> Result:
    """The best validated checkpoint in `storage`, or another one, on config's test tasks.

    Args:
      choose_again: choose the inner rate and steps anew, as where `named` was not validated.
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
    told = protocol_of(config, launch, validation) | of_the_oracle(config, launch.family)
    alone: dict[str, Any] | None = None
    if launch.transductive and config.model.statistics == "batch":
        recipe = replace(recipe, inner_steps=validation["inner_steps"], statistics="support")
        each = evaluate(config, launch.family, launch.pool, weights, "test", recipe)
        said = exchanged(told["normalization"], "batch", "support")
        alone = {"normalization": said, **each[-1]}
    return Result(
        protocol=told,
        per_step=summarize(values),
        theta_sha256=sha256(state.theta),
        checkpoint=name,
        metric=validation["metric"],
        sign=validation["sign"],
        queries_alone=alone,
        tasks=TaskScores.of(launch.family, blocks, values, validation["inner_steps"]),
    )


def protocol_of(config: MetaConfig, launch: Launch, validation: dict[str, Any]) -> dict[str, Any]:
    """Under which weights that were validated are tested; empty for those that were not."""
    if not validation:
        return {}
    return protocol(config, launch.family, validation, launch.normalizations, launch.transductive)
