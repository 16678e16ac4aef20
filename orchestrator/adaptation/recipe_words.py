"""Recipes in words, for people."""

from typing import TYPE_CHECKING

from workers.wire.errors import NonFiniteError
from workers.wire.protocol import Recipe

if TYPE_CHECKING:
    from orchestrator.adaptation.artefact import Artefact


def in_words(recipe: Recipe) -> str:
    """Describe a recipe, for example "1 inner step, learning rate 0.4"."""
    return f"{steps_of(recipe.inner_steps)}, learning rate {recipe.inner_lr:g}"


def adapts_how(source: "Artefact") -> str:
    """Describe how a run adapts: its recipe, or a policy's episodes."""
    if number := source.config.algorithm.num_episodes:
        return f"a state that is kept over {number} episodes"
    return in_words(source.recipe)


def steps_of(number: int) -> str:
    """Count inner steps in words, for example "1 inner step"."""
    return f"{number} inner step{'' if number == 1 else 's'}"


def diverged(recipe: Recipe, task: str = "") -> NonFiniteError:
    """Build the error for predictions that are inf or nan."""
    of = f" of the task {task!r}" if task else ""
    return NonFiniteError(
        f"the predictions{of} are not finite after {in_words(recipe)}; lower --inner-lr, or look "
        "for extreme values in the examples"
    )
