"""Held-out tasks before and after adaptation, and the protocol that belongs to the numbers."""

from collections.abc import Collection, Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from orchestrator.blocks import held_out_blocks
from orchestrator.config import MetaConfig
from orchestrator.pool import Pool
from orchestrator.settings import OuterSettings
from workers.errors import NonFiniteError
from workers.protocol import Draw, Recipe, Weights
from workers.scores import METRICS, sign_of
from workers.settings.algorithms import Differentiated
from workers.settings.environments import EnvironmentTask
from workers.settings.worker import ENVIRONMENTS
from workers.tasks.environments import has_environments
from workers.tasks.family import TaskFamily

Score = dict[str, float]

#: What `model.statistics` is called in a protocol.
BY_BATCH = {
    "batch": "batch statistics of each set (transductive)",
    "support": "batch statistics of the support set and one query (inductive)",
    "running": "running statistics for queries, batch statistics in training (inductive)",
}


def headline_metric(family: TaskFamily) -> tuple[str, Literal[1, -1]]:
    """What decides between checkpoints and recipes: its name, and 1 if more is better."""
    name = METRICS[family.loss][0]
    return name, sign_of(name)


def metric_names(family: TaskFamily) -> tuple[str, ...]:
    """What held-out tasks are scored by."""
    return METRICS[family.loss]


def recipes(config: MetaConfig) -> list[Recipe]:
    """The inner rates that validation may choose from, each with the most inner steps asked for."""
    rates = config.evaluation.inner_lr or (config.algorithm.inner_lr,)
    return [recipe_at(config, rate) for rate in rates]


def recipe_at(config: MetaConfig, inner_lr: float) -> Recipe:
    """With the most inner steps asked for."""
    evaluation = config.evaluation
    inner_steps = max(evaluation.inner_steps)
    if config.task.kind not in ENVIRONMENTS:
        return Recipe(inner_lr, inner_steps)
    return Recipe(inner_lr, inner_steps, _later_lr(config), evaluation.shots, evaluation.queries)


def _later_lr(config: MetaConfig) -> float:
    """What the inner rate of a policy is multiplied by after the first step."""
    given = config.evaluation.later_lr
    return getattr(config.algorithm, "later_lr", 1.0) if given is None else given


def evaluate(
    config: MetaConfig,
    family: TaskFamily,
    pool: Pool,
    weights: Weights,
    split: Literal["validation", "test"],
    recipe: Recipe,
) -> list[Score]:
    """Adapt to every held-out task of `split` and score each inner step.

    Returns:
      per inner step, 0 .. recipe.inner_steps: mean and 95 % interval of each metric over tasks,
      {"inner_step", "loss", "loss_ci95", "loss_gain_ci95", ...}; the gain is each task's own, over
      inner step 0, so that how hard a task is does not widen its interval.
    """
    evaluation = config.evaluation
    num_tasks = evaluation.tasks if split == "test" else evaluation.validation_tasks
    blocks = held_out_blocks(config, family, split, num_tasks, recipe)
    contributions = pool.run(weights, blocks)
    names = contributions[0].metrics
    values = {
        name: np.concatenate([c.metrics[name] for c in contributions]).astype(np.float64)
        for name in names
    }
    return [
        {"inner_step": step}
        | {key: value for name in names for key, value in _summary(name, values[name], step)}
        for step in range(recipe.inner_steps + 1)
    ]


def validate(
    config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights
) -> dict[str, Any]:
    """Score `weights` on the validation tasks, and choose the inner rate and steps there.

    Returns:
      {"metric", "sign", "score", "inner_lr", "inner_steps", "candidates", "scores"}; scores: all
      metrics at the inner rate and steps that were chosen.
    Raises:
      NonFiniteError: no candidate gave a finite score.
    """
    metric, sign = headline_metric(family)
    candidates = []
    scores_of: dict[tuple[float, int], Score] = {}
    for recipe in recipes(config):
        scores = evaluate(config, family, pool, weights, "validation", recipe)
        for steps in sorted(set(config.evaluation.inner_steps)):
            score = scores[steps][metric]
            candidates.append({"inner_lr": recipe.inner_lr, "inner_steps": steps, "score": score})
            scores_of[recipe.inner_lr, steps] = scores[steps]
    finite = [candidate for candidate in candidates if np.isfinite(candidate["score"])]
    if not finite:
        raise NonFiniteError(
            f"validation {metric} is not finite at any inner rate "
            f"{[recipe.inner_lr for recipe in recipes(config)]}; lower evaluation.inner_lr"
        )
    chosen = max(finite, key=lambda candidate: candidate["score"] * sign)
    at = scores_of[chosen["inner_lr"], int(chosen["inner_steps"])]
    every = {name: at[name] for name in metric_names(family)}
    return {"metric": metric, "sign": sign, **chosen, "candidates": candidates, "scores": every}


def protocol(
    config: MetaConfig,
    family: TaskFamily,
    validation: dict[str, Any],
    normalizations: Collection[str],
    transductive: bool,
) -> dict[str, Any]:
    """All that a reader must know to compare the test numbers with others'.

    Args:
      normalizations: kinds of normalization in the model: "batch", "layer", "group".
      transductive: whether the answer to a query depends on the other queries.
    """
    evaluation, task, algorithm = config.evaluation, config.task, config.algorithm
    model = config.model
    table: dict[str, Any] = {
        "method": _method(config),
        "model": model.source if model.kind == "keras" else model.kind,
        **family.protocol("test"),
        "ways": getattr(task, "ways", None),
        "shots": evaluation.shots or task.shots,
        "queries": evaluation.queries or task.queries,
        "shots_in_training": task.shots,
        "queries_in_training": task.queries,
        "inner_steps": validation["inner_steps"],
        "inner_steps_in_training": getattr(algorithm, "inner_steps", 0),
        "inner_lr": validation["inner_lr"],
        "inner_optimizer": _inner_optimizer(config),
        "inner_batch": evaluation.inner_batch or "all support examples",
        "inner_loss": algorithm.inner_loss,
        "chosen_on": f"{evaluation.validation_tasks} validation tasks: checkpoint"
        + (", inner rate and steps" if len(validation["candidates"]) > 1 else ""),
        "normalization": _normalization(normalizations, model.statistics, transductive),
        "transductive": transductive,
        "meta_batch_size": config.outer.meta_batch_size,
        "outer_steps": config.outer.steps,
        "test_tasks": evaluation.tasks,
        "evaluation_seed": evaluation.seed,
        "seed": config.seed,
        "interval": "95 %: 1.96 standard errors over tasks",
    }
    if has_environments(family):
        table |= _of_policies(config)
    return {name: value for name, value in table.items() if value is not None}


def _of_policies(config: MetaConfig) -> dict[str, Any]:
    """What belongs to returns; shots and queries are episodes."""
    task = config.task
    assert isinstance(task, EnvironmentTask)
    return {
        "horizon": task.horizon,
        "returns": "mean over episodes, not discounted, on fresh episodes after each inner step",
        "outer_update": _outer_update(config.outer),
        "later_lr": _later_lr(config),
        "later_lr_in_training": getattr(config.algorithm, "later_lr", None),
        "discount": task.discount,
        "gae_lambda": task.gae_lambda,
        "baseline": task.baseline,
        "curvature": task.curvature,
        "observations": f"normalized by {task.normalize} random episodes of the task itself"
        if task.normalize
        else "as they are",
    }


def _outer_update(outer: OuterSettings) -> str:
    if outer.optimizer == "trpo":
        return f"trpo, a divergence of up to {outer.max_divergence:g} nats"
    if outer.epochs == 1:
        return outer.optimizer
    told = f"{outer.optimizer}, {outer.epochs} epochs, ratios up to 1 ± {outer.clip_ratio:g}"
    if outer.divergence_penalty:
        told += f", a penalty of {outer.divergence_penalty:g} a nat"
    return told


def of_the_oracle(config: MetaConfig, family: TaskFamily) -> dict[str, float]:
    """{"oracle_return"} of who knows each test task; nothing where nobody can say."""
    if not has_environments(family):
        return {}
    evaluation, task = config.evaluation, config.task
    draw = Draw(evaluation.seed, "test", 0)
    best = family.oracle(family.sample(draw, 0, evaluation.tasks, task.shots, task.queries))
    return {} if best is None else {"oracle_return": float(np.mean(best))}


def _inner_optimizer(config: MetaConfig) -> str:
    algorithm: Any = config.algorithm
    if algorithm.kind == "meta_sgd":
        return "sgd, a learned rate for each weight"
    name = getattr(algorithm, "inner_optimizer", "sgd")
    if name == "sgd":
        return name
    return f"{name}, {algorithm.inner_moments} moments"


def _normalization(normalizations: Collection[str], statistics: str, transductive: bool) -> str:
    others = [name for name in normalizations if name != "batch"]
    if "batch" not in normalizations:
        if transductive:
            return " and ".join([*others, "the model's own over the queries (transductive)"])
        return f"{' and '.join(others) or 'none'} (inductive)"
    return " and ".join([*others, BY_BATCH[statistics]])


def _method(config: MetaConfig) -> str:
    algorithm = config.algorithm
    name = {
        "maml": "MAML",
        "anil": "ANIL",
        "boil": "BOIL",
        "meta_sgd": "Meta-SGD",
        "reptile": "Reptile",
        "joint": "joint training + fine-tuning",
    }[algorithm.kind]
    if not isinstance(algorithm, Differentiated):
        return name
    if algorithm.kind == "maml" and algorithm.first_order:
        name = "FOMAML"
    else:
        name = f"{name}, {'first' if algorithm.first_order else 'second'} order"
    return f"{name}, multi-step loss" if algorithm.multi_step else name


def _summary(
    name: str, values: NDArray[np.floating], inner_step: int
) -> Iterable[tuple[str, float]]:
    """Of values [tasks, inner steps + 1]."""
    with np.errstate(invalid="ignore", over="ignore"):  # a candidate's rate may be far too large
        now = values[:, inner_step]
        yield name, float(np.mean(now))
        yield f"{name}_ci95", _interval(now)
        yield f"{name}_gain_ci95", _interval(now - values[:, 0])


def _interval(values: NDArray[np.floating]) -> float:
    return float(1.96 * np.std(values, ddof=1) / np.sqrt(len(values)))
