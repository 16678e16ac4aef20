"""`metatrain data`: describes a data source before a run trains on it."""

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

#: The preset of a path that is given alone.
_PRESET_OF_A_PATH = "images"


def data(
    source: Annotated[
        str, typer.Argument(help="A preset, a FILE.toml, or a zip, Parquet, folder.")
    ],
    overrides: Set = None,
) -> None:
    """Print what a data source holds, how it is split, and what could fail or mislead a run."""
    if not show_source(source, overrides or []):
        raise SystemExit(EXIT_FAILED)


def show_source(source: str, overrides: list[str]) -> bool:
    """Print what the source of a preset, a TOML file or a path holds, and what may mislead.

    Returns:
      whether the configured run can work; if not, the reason has been printed.
    Raises:
      ValueError: `source` is none of these, does not exist, or has other columns.
    """
    if source in configuration.presets() or source.endswith(".toml"):
        config, notes = configuration.load(source, overrides)
        for note in notes:
            show_note(note)
        return _show(config)
    if not Path(source).exists():
        raise ValueError(
            f"'{source}' is neither a path nor a preset; presets are "
            f"{', '.join(configuration.presets())}"
        )
    config, _ = configuration.load(_PRESET_OF_A_PATH, _of_path(source, overrides))
    try:
        return _show(config)
    except SourceError as error:
        raise SourceError(f"{error}{_other_tasks(source)}") from None


def _of_path(source: str, overrides: Sequence[str]) -> list[str]:
    """Add the section [task] to keys without one, such as label_column=breed."""
    whole = [
        text if "." in text.partition("=")[0] else f"task.{text.lstrip()}" for text in overrides
    ]
    return [f"task.path={Path(source).absolute()}", *whole]


def _other_tasks(source: str) -> str:
    """Name the presets for a path that may hold texts or a table; alone it is read as images."""
    if Path(source).suffix.lower() not in (".txt", *SUFFIXES):
        return ""
    return (
        "; if it holds texts or numbers rather than images, name a preset of such tasks: metatrain "
        f"data clinc150-intents, names-generation or table, with --set task.path={source}"
    )


def _show(config: MetaConfig) -> bool:
    """Print the source's description and its notes; return whether the run can work."""
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
