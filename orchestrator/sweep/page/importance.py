"""The importance of each hyperparameter, by Optuna's PED-ANOVA.

Source: Watanabe et al. 2023, arXiv:2304.10255.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.rows import Row

_FEWEST = 4


def importances(
    ranked: Sequence[Row], space: Mapping[str, Dimension], mode: str
) -> tuple[dict[str, float], list[str]]:
    """Compute the importance of each key of the space.

    Args:
      ranked: trials that have a score.
      mode: "min" or "max".
    Returns:
      shares of 1 by key, the largest first, and the keys that are left out because some trials
      lack them. There are no shares if there are fewer than four trials, or all scores are equal.
    """
    keys = [key for key in space if all(key in row.point for row in ranked)]
    left_out = [key for key in space if key not in keys]
    if len(ranked) < _FEWEST or not keys or len({row.score for row in ranked}) == 1:
        return {}, left_out
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize" if mode == "min" else "maximize")
    distributions = {key: _distribution(space[key]) for key in keys}
    for row in ranked:
        params = {key: _plain(space[key], row.point[key]) for key in keys}
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=distributions, value=row.score)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(
            target_quantile=max(0.25, 2 / len(ranked)), evaluate_on_local=False
        )
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return dict(shares), left_out


def _distribution(dimension: Dimension) -> BaseDistribution:
    values = getattr(dimension, dimension.kind)
    match dimension.kind:
        case "uniform":
            return FloatDistribution(*values)
        case "loguniform":
            return FloatDistribution(*values, log=True)
        case "quniform":
            return FloatDistribution(*values[:2])
        case "randint":
            return IntDistribution(values[0], values[1] - 1)
    return CategoricalDistribution([str(value) for value in values])


def _plain(dimension: Dimension, value: Any) -> Any:
    return str(value) if dimension.kind in ("choice", "grid") else value
