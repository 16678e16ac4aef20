"""The output of `metatrain adapt-policy`: returns by inner step, and their protocol."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from orchestrator.adaptation.artefact import Artefact
from orchestrator.cli.adapt.adapt_report import from_the_run
from orchestrator.config.score_unit import Unit, unit_of
from orchestrator.reporting.protocol_lines import print_protocol
from orchestrator.text.console import Console
from workers.settings.environments.environment_task import EnvironmentTask
from workers.wire.protocol import Recipe

_FROM_THE_RUN = ("method", "model", "tasks_from")


def show(
    console: Console,
    source: Artefact,
    recipe: Recipe,
    returns: NDArray[np.float64],
    environment: str,
    seed: int,
) -> None:
    """Print the mean returns and the protocol.

    Args:
      returns: return of each episode, [inner_steps + 1, episodes].
      environment: its name and arguments.
    """
    console.print(_table(returns, unit_of(source.config)))
    print_protocol(console, _protocol(source, recipe, environment, seed))


def as_document(
    source: Artefact, recipe: Recipe, returns: NDArray[np.float64], environment: str, seed: int
) -> dict[str, Any]:
    """Return each episode's return after each inner step, and the protocol, for JSON."""
    return {
        "returns": [[float(value) for value in by_episode] for by_episode in returns],
        "protocol": _protocol(source, recipe, environment, seed),
    }


def _table(returns: NDArray[np.float64], unit: Unit) -> Table:
    of_trials = "Return of the episodes of a trial"
    table = Table(title=of_trials if unit.first else "Return of an episode after inner steps")
    table.add_column(unit.heading, justify="right")
    table.add_column("mean return", justify="right")
    table.add_column("trials" if unit.first else "episodes", justify="right")
    for step, by_episode in enumerate(returns):
        count, error = len(by_episode), ""
        if count > 1:
            error = f" ± {1.96 * np.std(by_episode, ddof=1) / np.sqrt(count):.4g}"
        table.add_row(unit.label(step), f"{by_episode.mean():.5g}{error}", f"{count}")
    return table


def _protocol(source: Artefact, recipe: Recipe, environment: str, seed: int) -> dict[str, Any]:
    """Return the protocol under which the returns were measured."""
    task = source.config.task
    assert isinstance(task, EnvironmentTask)
    if source.config.algorithm.num_episodes:
        return {
            "weights": source.origin,
            "environment": environment,
            "adaptation": source.config.algorithm.adaptation_title,
            "episodes": recipe.inner_steps + 1,
            "trials": recipe.queries,
            "horizon": task.horizon,
            "seed": seed,
            "interval": "95 %: 1.96 standard errors over trials",
            **from_the_run(source, _FROM_THE_RUN),
        }
    chosen = (recipe.inner_lr, recipe.inner_steps) == (
        source.recipe.inner_lr,
        source.recipe.inner_steps,
    )
    parts: dict[str, Any] = {
        "weights": source.origin,
        "environment": environment,
        "inner_steps": recipe.inner_steps,
        "inner_lr": recipe.inner_lr,
        "chosen": "on validation tasks" if chosen else "by hand",
        "later_lr": recipe.later_lr,
        "episodes_per_inner_step": recipe.shots,
        "evaluation_episodes": recipe.queries,
        "horizon": task.horizon,
        "seed": seed,
        "interval": "95 %: 1.96 standard errors over episodes",
    }
    return parts | from_the_run(source, _FROM_THE_RUN)
