"""`metatrain data`: what a source holds, before anything is trained on it."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.table import Table

from orchestrator import config as configuration
from orchestrator.commands.common import NOTES, RESULTS, decoding, open_family
from orchestrator.config_errors import explain
from workers.errors import DataError
from workers.settings.tasks import ImagesTask
from workers.tasks.table_files import SUFFIXES


def execute(source: str, overrides: list[str]) -> None:
    """Print what the source of a preset, a TOML file or a path holds.

    Raises:
      ValueError: it is none of them, or its data cannot be read as it should be.
    """
    if source in configuration.presets() or source.endswith(".toml"):
        config, notes = configuration.load(source, overrides)
        for note in notes:
            NOTES.print(f"note: {note}")
        _print(config.task.kind, open_family(config).describe())
    elif Path(source).exists():
        try:
            _print("images", _describe_path(source, overrides))
        except DataError as error:
            raise DataError(f"{error}{_other_tasks(source)}") from None
    else:
        raise ValueError(
            f"'{source}' is neither a path nor a preset; presets are "
            f"{', '.join(configuration.presets())}"
        )


def _other_tasks(source: str) -> str:
    """A path alone is one of images; what else it may hold is said by a preset's settings."""
    if Path(source).suffix.lower() not in (".txt", *SUFFIXES):
        return ""
    return (
        "; if it holds no images but texts or numbers, name the preset of such tasks: metatrain "
        f"data clinc150-intents, names-generation or table, with --set task.path={source}"
    )


def _describe_path(source: str, overrides: list[str]) -> dict[str, Any]:
    """The images at a path; overrides are those of [task], such as task.label_column=label."""
    from workers.tasks.image_cache import open_cache
    from workers.tasks.image_sources import find_files
    from workers.tasks.images import describe_source

    given = dict(configuration.parse_override(text) for text in overrides)
    table = {key.removeprefix("task."): value for key, value in given.items()}
    try:
        settings = ImagesTask.model_validate({**table, "path": source})
    except ValidationError as error:
        raise ValueError(f"task.{explain(error, ImagesTask)}") from None
    files = find_files(settings.path)
    with decoding() as progress:
        return describe_source(files, open_cache(files, settings, progress))


def _print(kind: str, description: dict[str, Any]) -> None:
    table = Table(show_header=False, title=f"task.kind = {kind}")
    for name, value in description.items():
        table.add_row(name.replace("_", " "), _plain(value))
    RESULTS.print(table)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        separator = " to " if all(isinstance(item, int | float) for item in value) else ", "
        return separator.join(_plain(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
