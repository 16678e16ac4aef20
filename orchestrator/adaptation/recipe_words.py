"""Recipes in words, for people."""

from workers.wire.errors import NonFiniteError
from workers.wire.protocol import Recipe


def in_words(recipe: Recipe) -> str:
    """Describe a recipe, for example "1 inner step, learning rate 0.4"."""
    return f"{steps_of(recipe.inner_steps)}, learning rate {recipe.inner_lr:g}"


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
