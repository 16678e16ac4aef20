"""From the settings' kind to a task family."""

from collections.abc import Callable
from typing import Any

from workers.settings.tasks import GivenTask, TaskSettings
from workers.tasks.family import TaskFamily

Progress = Callable[[int, int], None]


def _sinusoid(settings: Any, progress: Progress) -> TaskFamily:
    from workers.tasks.sinusoid import SinusoidFamily

    return SinusoidFamily(settings)


def _images(settings: Any, progress: Progress) -> TaskFamily:
    from workers.tasks.images import ImagesFamily

    return ImagesFamily(settings, progress)


def _table(settings: Any, progress: Progress) -> TaskFamily:
    from workers.tasks.table import TableFamily

    return TableFamily(settings)


def _text(settings: Any, progress: Progress) -> TaskFamily:
    from workers.tasks.text import TextFamily

    return TextFamily(settings)


def _matching(settings: Any, progress: Progress) -> TaskFamily:
    from workers.tasks.matching import MatchingFamily

    return MatchingFamily(settings)


def _generation(settings: Any, progress: Progress) -> TaskFamily:
    from workers.tasks.generation import GenerationFamily

    return GenerationFamily(settings)


def _navigation(settings: Any, progress: Progress) -> TaskFamily:
    from workers.tasks.navigation import NavigationFamily

    return NavigationFamily(settings)


def _gym(settings: Any, progress: Progress) -> TaskFamily:
    from workers.tasks.gym import GymFamily

    return GymFamily(settings)


def _given(settings: Any, progress: Progress) -> TaskFamily:
    from workers.tasks.given import GivenFamily

    return GivenFamily(settings)


FAMILIES: dict[str, Callable[[Any, Progress], TaskFamily]] = {
    "sinusoid": _sinusoid,
    "images": _images,
    "table": _table,
    "text": _text,
    "matching": _matching,
    "generation": _generation,
    "navigation": _navigation,
    "gym": _gym,
    "given": _given,
}


def _silent(done: int, total: int) -> None:
    """Nobody watches."""


def make_family(settings: TaskSettings | GivenTask, progress: Progress = _silent) -> TaskFamily:
    """The family of `settings.kind`, its data opened; `progress(done, total)` follows decoding."""
    return FAMILIES[settings.kind](settings, progress)
