"""`metatrain data`: what a source holds, before anything is trained on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.common import NOTES, RESULTS, decoding, open_family, show_note
from orchestrator.cli.ending import EXIT_FAILED
from orchestrator.cli.options import Set
from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig
from workers.tasks.family import notes_of
from workers.tasks.table.table_files import SUFFIXES
from workers.wire.errors import DataError, SourceError

#: What a path alone is trained with.
_PRESET_OF_A_PATH = "images"


def data(
    source: Annotated[
        str, typer.Argument(help="A preset, a FILE.toml, or a zip, Parquet, folder.")
    ],
    overrides: Set = None,
) -> None:
    """Print what a data source holds, how it is split, and what would fail or mislead a run."""
    if not execute(source, overrides or []):
        raise SystemExit(EXIT_FAILED)


def execute(source: str, overrides: list[str]) -> bool:
    """Print what the source of a preset, a TOML file or a path holds, and what may mislead.

    Returns:
      whether the run that is configured can work; where it cannot, it was said why.
    Raises:
      ValueError: it is none of them, or is not there, or has other columns.
    """
    if source in configuration.presets() or source.endswith(".toml"):
        config, notes = configuration.load(source, overrides)
        for note in notes:
            show_note(note)
        return _tell(config)
    if not Path(source).exists():
        raise ValueError(
            f"'{source}' is neither a path nor a preset; presets are "
            f"{', '.join(configuration.presets())}"
        )
    config, _ = configuration.load(_PRESET_OF_A_PATH, _of_path(source, overrides))
    try:
        return _tell(config)
    except SourceError as error:
        raise SourceError(f"{error}{_other_tasks(source)}") from None


def _of_path(source: str, overrides: Sequence[str]) -> list[str]:
    """Keys without a section are those of [task]: label_column=breed."""
    whole = [
        text if "." in text.partition("=")[0] else f"task.{text.lstrip()}" for text in overrides
    ]
    return [f"task.path={Path(source).absolute()}", *whole]


def _other_tasks(source: str) -> str:
    """A path alone is one of images; what else it may hold is said by a preset's settings."""
    if Path(source).suffix.lower() not in (".txt", *SUFFIXES):
        return ""
    return (
        "; if it holds no images but texts or numbers, name the preset of such tasks: metatrain "
        f"data clinc150-intents, names-generation or table, with --set task.path={source}"
    )


def _tell(config: MetaConfig) -> bool:
    try:
        family = open_family(config)
    except SourceError:
        raise
    except DataError as error:
        with decoding() as progress:
            description, notes = config.task.survey(progress)
        if description:
            _print(config.task.kind, description)
        for note in notes:
            show_note(note)
        NOTES.print(Text(f"this run cannot work: {error}"))
        return False
    _print(config.task.kind, family.describe())
    for note in notes_of(family):
        show_note(note)
    return True


def _print(kind: str, description: dict[str, Any]) -> None:
    table = Table(show_header=False, title=f"task.kind = {kind}")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in description.items():
        table.add_row(name.replace("_", " "), Text(_plain(value)))
    RESULTS.print(table)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        separator = " to " if all(isinstance(item, int | float) for item in value) else ", "
        return separator.join(_plain(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
