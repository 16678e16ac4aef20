"""`metatrain adapt-policy`: adapts a run's policy to a user's environment, and shows returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli import options
from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.json_output import Json, print_json, tables_aside
from workers.losses.registry import loss_of
from workers.settings.environments.environment_task import MOST_EPISODES

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    from orchestrator.adaptation.artefact import Artefact
    from orchestrator.cli.adapt.adapt_outputs import Outputs


@dataclass(frozen=True, slots=True)
class AdaptPolicyRequest:
    """The arguments of `metatrain adapt-policy`; None: as in the run's evaluation."""

    source: str
    env: str | None
    env_args: Sequence[str] = ()
    episodes: int | None = None
    evaluation_episodes: int | None = None
    seed: int = 0
    inner_steps: int | None = None
    inner_lr: float | None = None
    save_model: Path | None = None
    as_json: bool = False


@command_settings(
    epilog="Example: metatrain adapt-policy runs/pendulum --env Pendulum-v1 --env-arg g=12"
)
def adapt_policy(
    source: options.Source,
    env: Annotated[
        str | None,
        typer.Option(
            "--env",  # named: older typer would take the metavar's letters
            metavar="ENV",
            help="Environment to act in: a gymnasium id or MODULE:CLASS; for a run of navigation: "
            "navigation.",
        ),
    ] = None,
    env_arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Attribute of ENV, or argument of its constructor; for navigation goal=X,Y; "
            "repeatable.",
        ),
    ] = None,
    episodes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=MOST_EPISODES,
            help="Episodes to learn from at each inner step. Default: as in the run's evaluation.",
        ),
    ] = None,
    evaluation_episodes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=MOST_EPISODES,
            help="Fresh episodes before and after each inner step. Default: as in the run's "
            "evaluation.",
        ),
    ] = None,
    seed: options.Seed = 0,
    save_model: options.SaveModel = None,
    inner_steps: options.InnerSteps = None,
    inner_lr: options.InnerLr = None,
    as_json: Json = False,
) -> None:
    """Adapt a run's policy to an environment of your own, and show its returns."""
    adapt_policy_of_run(
        AdaptPolicyRequest(
            source=source,
            env=env,
            env_args=tuple(env_arg or ()),
            episodes=episodes,
            evaluation_episodes=evaluation_episodes,
            seed=seed,
            inner_steps=inner_steps,
            inner_lr=inner_lr,
            save_model=save_model,
            as_json=as_json,
        )
    )


def adapt_policy_of_run(request: AdaptPolicyRequest) -> None:
    """Adapt a policy, show its returns by inner step, and save it where requested.

    Raises:
      ValueError: the input is wrong; nothing is written.
      NonFiniteError: the inner loop diverged. TaskError: the environment raised.
    """
    from orchestrator.cli.adapt.adapt_outputs import open_outputs

    with tables_aside(request.as_json), open_outputs(None, request.save_model) as outputs:
        document = _adapt(request, outputs)
    if request.as_json:
        print_json(document)


def _adapt(request: AdaptPolicyRequest, outputs: Outputs) -> dict[str, Any]:
    from orchestrator.adaptation.adapted_policy import check_seed, check_stateless, recipe_of
    from orchestrator.adaptation.checks import check_model_name
    from orchestrator.adaptation.user_environment import open_environment, parse_arguments
    from orchestrator.cli.adapt.adapt_policy_report import as_document, show
    from orchestrator.cli.adapt.sources import open_run
    from orchestrator.cli.common import NOTES, RESULTS, waiting

    source = open_run(request.source, "adapt-policy")
    if request.env is None:
        raise ValueError("there is nothing to act in; give --env ENV")
    episodes = (request.episodes, request.evaluation_episodes)
    recipe = recipe_of(source, request.inner_steps, request.inner_lr, *episodes)
    seed = check_seed(request.seed)
    if request.save_model is not None:
        check_model_name(request.save_model)
        check_stateless(source.config)
    environment = open_environment(source, request.env, parse_arguments(request.env_args))
    with waiting() as say:
        say("building the model")
        from orchestrator.learner import Learner

        learner = Learner(source)
        say(f"acting in {request.env}")
        policy = learner.practise_in(environment, recipe, seed)
    name = " ".join([request.env, *request.env_args])
    show(RESULTS, source, recipe, policy.returns, name, seed)
    if outputs.saves_models:
        with outputs.models(1) as save:
            file = save("", policy.as_keras())
        RESULTS.print(f"model: {file}")
        NOTES.print(f"{file} maps observations to {_outputs_of(source)}")
    return as_document(source, recipe, policy.returns, name, seed)


def _outputs_of(source: Artefact) -> str:
    if loss_of(source.examples).discrete:
        return "logits of the actions"
    return "means of the actions, then logarithms of their standard deviations"
