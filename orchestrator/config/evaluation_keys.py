"""The configuration keys that an evaluation may set: those that do not change the weights."""

from collections.abc import Iterable

from orchestrator.config import schema as configuration

_ALLOWED = (
    "task.path",
    "task.test_path",
    "task.cache",
    "task.split_file",
    "task.folder",
    "model.statistics",
    "model.folder",
    "model.backbone",  # also its cache; another backbone is refused by its digest
)


def check_overrides(overrides: Iterable[str]) -> None:
    """Raise ValueError for a `key=value` that an evaluation may not set."""
    for text in overrides:
        key, _ = configuration.parse_override(text)
        if not key.startswith(("evaluation.", *_ALLOWED)):
            raise ValueError(
                f"--set {key} does not belong to an evaluation; allowed are evaluation.*, "
                f"{', '.join(_ALLOWED)}"
            )
