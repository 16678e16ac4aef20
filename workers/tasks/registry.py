"""From the settings' kind to a task family."""

import importlib
from collections.abc import Callable

from workers.settings.tasks import GivenTask, TaskSettings
from workers.tasks.family import TaskFamily

Progress = Callable[[int, int], None]

# kind -> class, below this package; imported when it is asked for.
FAMILIES = {
    "sinusoid": "sinusoid.SinusoidFamily",
    "images": "images.family.ImagesFamily",
    "table": "table.family.TableFamily",
    "text": "text.classification.TextFamily",
    "matching": "text.matching.MatchingFamily",
    "generation": "text.generation.GenerationFamily",
    "navigation": "environments.navigation.NavigationFamily",
    "gym": "environments.gym.GymFamily",
    "given": "user_tasks.GivenFamily",
}


def _silent(done: int, total: int) -> None:
    """Nobody watches."""


def make_family(settings: TaskSettings | GivenTask, progress: Progress = _silent) -> TaskFamily:
    """The family of `settings.kind`, its data opened; `progress(done, total)` follows decoding."""
    module, _, name = FAMILIES[settings.kind].rpartition(".")
    family = getattr(importlib.import_module(f"workers.tasks.{module}"), name)
    # Images alone take long to open.
    made: TaskFamily = family(settings, progress) if settings.kind == "images" else family(settings)
    return made
