"""The evaluation of held-out tasks before and after adaptation."""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from orchestrator.calibration.calibration import QueryOutputs, calibrate
from orchestrator.config.schema import MetaConfig
from orchestrator.config.score_unit import INNER_STEPS, Unit, unit_of
from orchestrator.outer.blocks import held_out_blocks, held_out_sizes
from orchestrator.pool.base import Pool
from workers.losses.registry import loss_of
from workers.tasks.family import TaskFamily
from workers.wire.errors import NonFiniteError
from workers.wire.protocol import OUTPUTS, TARGETS, Block, Recipe, Weights

Score = dict[str, float]
Values = dict[str, NDArray[np.float64]]


def headline_metric(family: TaskFamily) -> tuple[str, Literal[1, -1]]:
    """Return the metric that decides between checkpoints and recipes.

    Returns:
      its name, and 1 if more is better, else -1.
    """
    main = loss_of(family).main
    assert main.sign, "a family refuses a main metric of which nobody says what is better"
    return main.name, main.sign


def metric_names(family: TaskFamily) -> tuple[str, ...]:
    """Return the names of the metrics by which held-out tasks are scored."""
    return tuple(metric.name for metric in loss_of(family).metrics)


def recipes(config: MetaConfig) -> list[Recipe]:
    """List a recipe for each inner rate that validation chooses from, with the most inner steps.

    Where rates are learned there is nothing to choose.
    """
    rates = config.evaluation.inner_lr or (config.algorithm.inner_lr,)
    if config.algorithm.learned_rates:
        rates = (config.algorithm.inner_lr,)
    return [recipe_at(config, rate) for rate in rates]


def recipe_at(config: MetaConfig, inner_lr: float) -> Recipe:
    """Return the recipe at `inner_lr` with the most inner steps that are configured."""
    evaluation = config.evaluation
    inner_steps = max(evaluation.inner_steps)
    if not config.task.acts:
        ways = evaluation.num_ways
        sizes = *held_out_sizes(config), ways or getattr(config.task, "ways", None)
        ranges = (isinstance(size, tuple) for size in sizes)
        after = tuple(sorted(set(evaluation.inner_steps)))
        padded = any(ranges)
        return Recipe(inner_lr, inner_steps, padded=padded, ways=ways, outputs_after=after)
    shots, queries = evaluation.size, evaluation.queries
    assert not isinstance(shots, tuple)
    assert not isinstance(queries, tuple)
    return Recipe(inner_lr, inner_steps, later_lr(config), shots, queries)


def later_lr(config: MetaConfig) -> float:
    """Return the factor on a policy's inner rate after its first inner step."""
    factor = config.evaluation.later_lr
    return getattr(config.algorithm, "later_lr", 1.0) if factor is None else factor


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
      inner step 0, so that how hard a task is does not widen its interval. A recurrent policy has
      a score in each episode, 1 .. recipe.inner_steps + 1, {"episode", ...}.
    """
    values = score_tasks(pool, weights, blocks_of(config, family, split, recipe))
    return summarize(values, unit_of(config))


def blocks_of(
    config: MetaConfig,
    family: TaskFamily,
    split: Literal["validation", "test"],
    recipe: Recipe,
) -> list[Block]:
    """Build the blocks of all held-out tasks of `split`."""
    evaluation = config.evaluation
    num_tasks = evaluation.tasks if split == "test" else evaluation.validation_tasks
    return held_out_blocks(config, family, split, num_tasks, recipe)


def score_tasks(pool: Pool, weights: Weights, blocks: list[Block]) -> Values:
    """Score each task before adaptation and after each inner step.

    Returns:
      metric -> scores, float64 [tasks, inner steps + 1].
    """
    return score_queries(pool, weights, blocks)[0]


def score_queries(
    pool: Pool, weights: Weights, blocks: list[Block]
) -> tuple[Values, QueryOutputs | None]:
    """Score each task as `score_tasks`, and return the outputs that its recipe asks for too.

    Returns:
      the scores, and the outputs after the recipe's `outputs_after`; None without any.
    """
    contributions = pool.run(weights, blocks)
    arrays = {
        name: np.concatenate([c.metrics[name] for c in contributions])
        for name in contributions[0].metrics
    }
    outputs, targets = arrays.pop(OUTPUTS, None), arrays.pop(TARGETS, None)
    values = {name: array.astype(np.float64) for name, array in arrays.items()}
    recipe = blocks[0].recipe
    if outputs is None or targets is None or recipe is None:
        return values, None
    return values, QueryOutputs(recipe.outputs_after, outputs, targets)


def summarize(values: Values, unit: Unit = INNER_STEPS) -> list[Score]:
    """Return the means and intervals over tasks of the scores of `score_tasks`; see `evaluate`."""
    num_steps = next(iter(values.values())).shape[1]
    return [
        {unit.key: step + unit.first}
        | {key: value for name in values for key, value in _summary(name, values[name], step)}
        for step in range(num_steps)
    ]


def validate(
    config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights
) -> dict[str, Any]:
    """Score `weights` on the validation tasks, and choose the inner rate and steps there.

    Returns:
      {"metric", "sign", "score", "inner_lr", "inner_steps", "candidates", "scores"}; scores: all
      metrics at the chosen inner rate and steps; and "calibration", that of predictions at this
      rate, if the loss has sets or intervals.
    Raises:
      NonFiniteError: no candidate gave a finite score.
    """
    metric, sign = headline_metric(family)
    candidates = []
    scores_of: dict[tuple[float, int], Score] = {}
    queries_of: dict[float, QueryOutputs | None] = {}
    for recipe in recipes(config):
        blocks = blocks_of(config, family, "validation", recipe)
        values, queries_of[recipe.inner_lr] = score_queries(pool, weights, blocks)
        scores = summarize(values)
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
    best = scores_of[chosen["inner_lr"], int(chosen["inner_steps"])]
    every = {name: best[name] for name in metric_names(family)}
    record = {"metric": metric, "sign": sign, **chosen, "candidates": candidates, "scores": every}
    queries = queries_of[chosen["inner_lr"]]
    calibration = queries and calibrate(loss_of(family), chosen["inner_lr"], queries)
    return record | ({"calibration": calibration.model_dump()} if calibration else {})


def interval(values: NDArray[np.floating]) -> float:
    """Return the 95 % interval of a mean: 1.96 standard errors of values [n], n > 1."""
    return float(1.96 * np.std(values, ddof=1) / np.sqrt(len(values)))


def _summary(
    name: str, values: NDArray[np.floating], inner_step: int
) -> Iterable[tuple[str, float]]:
    """Yield mean and intervals of a metric at an inner step; values: [tasks, inner steps + 1]."""
    with np.errstate(invalid="ignore", over="ignore"):  # a candidate's rate may be far too large
        now = values[:, inner_step]
        yield name, float(np.mean(now))
        yield f"{name}_ci95", interval(now)
        yield f"{name}_gain_ci95", interval(now - values[:, 0])
