"""`metatrain adapt --env`: a run's policy, somebody's environment, and what it is worth there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from orchestrator.adaptation.adapted_policy import check_seed, recipe_of
from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.checks import check_model_name
from orchestrator.adaptation.user_environment import open_environment, parse_arguments
from orchestrator.cli.adapt.adapt_command import Request
from orchestrator.cli.adapt.adapt_outputs import Outputs
from orchestrator.cli.common import NOTES, RESULTS, waiting
from orchestrator.reporting.protocol_lines import print_protocol
from workers.metrics import ACTING
from workers.settings.environments import EnvironmentTask
from workers.wire.protocol import Recipe

_FROM_THE_RUN = ("method", "model", "tasks_from")


def execute(request: Request, source: Artefact, outputs: Outputs) -> None:
    """Adapt, show the returns by inner step, and save the policy where that was asked for.

    Raises:
      ValueError: the input is wrong; nothing is written then.
      NonFiniteError: the inner loop diverged. TaskError: the environment raised.
    """
    _check(request, source)
    recipe = recipe_of(
        source, request.inner_steps, request.inner_lr, request.episodes, request.judged_by
    )
    seed = check_seed(request.seed)
    if request.save_model is not None:
        check_model_name(request.save_model)
    environment = open_environment(source, request.env, parse_arguments(request.env_args))
    with waiting() as say:
        say("building the model")
        from orchestrator.learner import Learner

        learner = Learner(source)
        say(f"acting in {request.env}")
        policy = learner.practise_in(environment, recipe, seed)
    RESULTS.print(_table(policy.returns))
    print_protocol(RESULTS, _protocol(request, source, recipe))
    if outputs.saves_models:
        with outputs.models(1) as save:
            file = save("", policy.as_keras())
        RESULTS.print(f"model: {file}")
        NOTES.print(f"{file} answers to observations with {_answers(source)}")


def _check(request: Request, source: Artefact) -> None:
    """Refuse what is of examples where there is a policy."""
    if source.examples.loss not in ACTING:
        return  # `recipe_of` says so
    given = {
        "--support": request.support,
        "--query": request.query,
        "--out": request.out,
        "--generate": request.generate,
        "--task-column": request.columns.task,
        "--input-column": request.columns.inputs,
        "--target-column": request.columns.target,
        "--workers": None if request.workers == "0" else request.workers,
    }
    unwanted = [name for name, value in given.items() if value is not None]
    if unwanted:
        raise ValueError(
            f"{', '.join(unwanted)}: {request.source} is a policy (task.kind = "
            f"{source.config.task.kind!r}), which makes its own episodes, in this process; give "
            "--env ENV instead"
        )
    if request.env is None:
        raise ValueError("there is nothing to act in; give --env ENV")


def _table(returns: NDArray[np.float64]) -> Table:
    table = Table(title="Return of an episode after inner steps")
    table.add_column("inner steps", justify="right")
    table.add_column("mean return", justify="right")
    table.add_column("episodes", justify="right")
    for step, each in enumerate(returns):
        error = ""
        if len(each) > 1:
            error = f" ± {1.96 * np.std(each, ddof=1) / np.sqrt(len(each)):.4g}"
        table.add_row(
            f"{step}" + ("" if step else " (before)"), f"{each.mean():.5g}{error}", f"{len(each)}"
        )
    return table


def _protocol(request: Request, source: Artefact, recipe: Recipe) -> dict[str, Any]:
    """What must stand beside the returns."""
    task = source.config.task
    assert isinstance(task, EnvironmentTask)
    chosen = (recipe.inner_lr, recipe.inner_steps) == (
        source.recipe.inner_lr,
        source.recipe.inner_steps,
    )
    parts: dict[str, Any] = {
        "weights": source.origin,
        "environment": " ".join([str(request.env), *request.env_args]),
        "inner steps": recipe.inner_steps,
        "inner lr": recipe.inner_lr,
        "chosen": "on validation tasks" if chosen else "by hand",
        "later lr": recipe.later_lr,
        "episodes to learn from": f"{recipe.shots} at each inner step",
        "judged by": f"{recipe.queries} fresh ones after each",
        "horizon": task.horizon,
        "seed": request.seed,
        "interval": "95 %: 1.96 standard errors over episodes",
    }
    for name in _FROM_THE_RUN:
        if name in source.protocol:
            parts[f"trained: {name}"] = source.protocol[name]
    return parts


def _answers(source: Artefact) -> str:
    if source.examples.loss == "categorical_policy":
        return "logits of the actions"
    return "means of the actions, then logarithms of their standard deviations"
