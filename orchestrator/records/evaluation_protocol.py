"""The evaluation protocol: what a reader needs to compare test scores with those of others."""

from collections.abc import Collection
from typing import Any

import numpy as np

from orchestrator.config.driver_settings import OuterSettings
from orchestrator.config.schema import MetaConfig
from orchestrator.config.score_unit import EPISODES
from orchestrator.evaluate import later_lr
from orchestrator.outer.blocks import held_out_sizes
from workers.losses.loss import Loss
from workers.losses.registry import loss_of
from workers.settings.environments.environment_task import EnvironmentTask
from workers.settings.section import Size
from workers.tasks.environments.family import has_environments
from workers.tasks.family import TaskFamily, held_out_ways, stated_sizes
from workers.tasks.sizes import described, least, most
from workers.wire.protocol import Draw

#: The names of `model.statistics` in a protocol.
BY_BATCH = {
    "batch": "batch statistics of each set (transductive)",
    "support": "batch statistics of the support set and one query (inductive)",
    "running": "running statistics for queries, batch statistics in training (inductive)",
}
# The same where the head is computed from features of the support set.
_OF_FEATURES = {
    "support": "batch statistics of the support set alone (inductive)",
    "running": "running statistics of support set and queries, batch statistics of both in "
    "training (inductive)",
}
# The same for a user's layer with a normalization of its own.
_USER_LAYER = {
    "batch": "the model's own over the queries (transductive)",
    "support": "the model's own over the support set and one query (inductive)",
}


def protocol(
    config: MetaConfig,
    family: TaskFamily,
    validation: dict[str, Any],
    normalizations: Collection[str],
    transductive: bool,
) -> dict[str, Any]:
    """Collect all that a reader must know to compare the test scores with those of others.

    Args:
      validation: the validation record that chose inner rate and steps.
      normalizations: kinds of normalization in the model: "batch", "layer", "group".
      transductive: whether the answer to a query depends on the other queries.
    """
    evaluation, task, algorithm = config.evaluation, config.task, config.algorithm
    model = config.model
    shots, queries = stated_sizes(family, *held_out_sizes(config))
    shots_in_training, queries_in_training = stated_sizes(family, task.shots, task.queries)
    learns_by_steps = not algorithm.num_episodes
    table: dict[str, Any] = {
        "method": algorithm.method,
        "model": model.title,
        **family.protocol("test"),
        "ways": described(_ways(config, family)) if _has_ways(task, family) else None,
        "ways_in_training": described(_ways(config, family, training=True))
        if config.evaluation.num_ways
        else None,
        "loss": loss_of(family).title or None,
        **_of_loss(family),
        "shots": shots if learns_by_steps else None,
        "queries": queries,
        "shots_in_training": shots_in_training if learns_by_steps else None,
        "queries_in_training": queries_in_training,
        **_adaptation(config, validation),
        **_choices(config, validation),
        "chance": _chance(config, family),
        "normalization": _normalization(
            normalizations, model.statistics, transductive, algorithm.computes_head
        ),
        "transductive": transductive,
        "meta_batch_size": config.outer.meta_batch_size,
        "outer_steps": config.outer.steps,
        "test_tasks": evaluation.tasks,
        "evaluation_seed": evaluation.seed,
        "seed": config.seed,
        "interval": "95 %: 1.96 standard errors over tasks",
    }
    if has_environments(family):
        table |= _policy_rows(config)
        if family.reports_success:
            table["success"] = "share of episodes in which the environment reports it at any step"
    return {name: value for name, value in table.items() if value is not None}


def _adaptation(config: MetaConfig, validation: dict[str, Any]) -> dict[str, Any]:
    """Return how a task is adapted to."""
    algorithm = config.algorithm
    if algorithm.num_episodes:
        row = validation["inner_steps"]
        return {"adaptation": algorithm.adaptation_title, EPISODES.key: row + EPISODES.first}
    if algorithm.closed_form:
        return {
            "adaptation": "closed form: the support set gives the head, which counts as one step",
            "inner_steps": validation["inner_steps"],
        }
    return {
        "adaptation": algorithm.adaptation_title,
        "inner_steps": validation["inner_steps"],
        "inner_steps_in_training": getattr(algorithm, "inner_steps", 0),
        "inner_lr": validation["inner_lr"],
        "inner_lr_in_training": getattr(algorithm, "inner_lr", None),
        "inner_optimizer": algorithm.optimizer_title,
        "inner_clip": algorithm.largest_norm,
        "inner_batch": config.evaluation.inner_batch or "all support examples",
        "inner_loss": algorithm.inner_loss,
    }


def _choices(config: MetaConfig, validation: dict[str, Any]) -> dict[str, Any]:
    """Return what validation chose; a setting with a single value was not chosen."""
    outer, evaluation = config.outer, config.evaluation
    rates, steps = (
        list(dict.fromkeys(candidate[name] for candidate in validation["candidates"]))
        for name in ("inner_lr", "inner_steps")
    )
    offered = {
        "checkpoint": -(-outer.steps // evaluation.every) > 1,
        "inner rate": len(rates) > 1,
        "inner steps": len(steps) > 1,
    }
    chosen = ", ".join(name for name, several in offered.items() if several)
    return {
        "inner_lr_offered": ", ".join(f"{rate:g}" for rate in rates) if len(rates) > 1 else None,
        "chosen_on": f"{evaluation.validation_tasks} validation tasks: {chosen}"
        if chosen
        else None,
    }


def _has_ways(task: Any, family: TaskFamily) -> bool:
    """Whether a task is of some classes of many; the settings may be of values too."""
    return hasattr(task, "ways") and loss_of(family).classifies


def _chance(config: MetaConfig, family: TaskFamily) -> float | None:
    """Return the score of a model that has learned nothing; None where it is unknown."""
    loss, ways = loss_of(family), _ways(config, family)
    if isinstance(ways, tuple) and loss.classifies:
        of_ranges = [_mean_chance(loss, own) for own in held_out_ways(family, ways)]
        return None if None in of_ranges else float(np.mean(np.array(of_ranges, np.float64)))
    outputs = config.evaluation.num_ways or family.num_outputs
    return loss.chance(outputs, config.task.chance)


def _mean_chance(loss: Loss, ways: Size) -> float | None:
    """Return the chance of tasks whose number of classes is uniform in a range."""
    chances = [loss.chance(number, None) for number in range(least(ways), most(ways) + 1)]
    return None if None in chances else float(np.mean(np.array(chances, np.float64)))


def _ways(config: MetaConfig, family: TaskFamily, training: bool = False) -> Size:
    """Return the number of classes of a held-out or a training task, or their range."""
    if config.evaluation.num_ways and not training:
        return config.evaluation.num_ways
    ways = getattr(config.task, "ways", None)
    return ways if isinstance(ways, tuple) else family.num_outputs


def _of_loss(family: TaskFamily) -> dict[str, Any]:
    """Return what a loss was made with, and what decides if it is not the loss's own choice."""
    settings = loss_of(family).settings
    return {
        "class_weights": ", ".join(f"{w:g}" for w in settings.class_weights or ()) or None,
        "label_smoothing": settings.label_smoothing or None,
        "metrics": ", ".join(f"{k} = {v}" for k, v in settings.metrics.items()) or None,
        "main_metric": settings.main_metric,
    }


def _policy_rows(config: MetaConfig) -> dict[str, Any]:
    """Return the rows for returns of policies, where shots and queries are episodes."""
    task = config.task
    assert isinstance(task, EnvironmentTask)
    by_steps = not config.algorithm.num_episodes
    return {
        "horizon": task.horizon,
        "returns": "mean over episodes, not discounted, on fresh episodes after each inner step"
        if by_steps
        else "mean over trials, not discounted, in each episode of a trial",
        "outer_update": _outer_update(config.outer),
        "later_lr": later_lr(config) if by_steps else None,
        "later_lr_in_training": getattr(config.algorithm, "later_lr", None),
        "discount": task.discount,
        "gae_lambda": task.gae_lambda,
        "baseline": task.baseline,
        "curvature": task.curvature if by_steps else None,
        "observations": f"normalized by {task.normalize} random episodes of the task itself"
        if task.normalize
        else "as they are",
    }


def _outer_update(outer: OuterSettings) -> str:
    if outer.optimizer == "trpo":
        return f"trpo, a divergence of up to {outer.max_divergence:g} nats"
    if outer.epochs == 1:
        return outer.optimizer
    text = f"{outer.optimizer}, {outer.epochs} epochs, ratios up to 1 ± {outer.clip_ratio:g}"
    if outer.divergence_penalty:
        text += f", a penalty of {outer.divergence_penalty:g} a nat"
    return text


def oracle_return(config: MetaConfig, family: TaskFamily) -> dict[str, float]:
    """Return {"oracle_return"}: the mean return of the optimal policy on the test tasks.

    Returns:
      an empty table where no optimal policy is known.
    """
    if not has_environments(family):
        return {}
    evaluation, task = config.evaluation, config.task
    draw = Draw(evaluation.seed, "test", 0)
    best = family.oracle(family.sample(draw, 0, evaluation.tasks, task.shots, task.queries))
    return {} if best is None else {"oracle_return": float(np.mean(best))}


def _normalization(
    normalizations: Collection[str], statistics: str, transductive: bool, computes_head: bool
) -> str:
    others = [name for name in normalizations if name != "batch"]
    if "batch" not in normalizations:
        if transductive:
            return " and ".join([*others, _USER_LAYER["batch"]])
        return f"{' and '.join(others) or 'none'} (inductive)"
    return " and ".join([*others, (_OF_FEATURES if computes_head else BY_BATCH)[statistics]])


def with_other_statistics(normalization: str, old: str, new: str) -> str:
    """Return a protocol's "normalization" for other `model.statistics`: batch or support."""
    return normalization.replace(BY_BATCH[old], BY_BATCH[new]).replace(
        _USER_LAYER[old], _USER_LAYER[new]
    )
