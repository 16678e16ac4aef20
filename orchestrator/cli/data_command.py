"""`metatrain data`: describes a data source before a run trains on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.common import NOTES, RESULTS, open_family, progress_bar, show_note
from orchestrator.cli.data_source import USUAL, kind_of
from orchestrator.cli.ending import EXIT_FAILED
from orchestrator.cli.json_output import Json, print_json
from orchestrator.cli.options import Set, preset_names
from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig
from orchestrator.reporting.description import description_table, plain_values
from workers.tasks.family import notes_of
from workers.tasks.table.table_files import SUFFIXES
from workers.wire.errors import DataError, SourceError

#: The preset of a path that is given alone, and not recognized as data of another family.
_PRESET_OF_A_PATH = "images"


@command_settings(epilog="Example: metatrain data pets/ --set image_size=64")
def data(
    source: Annotated[
        str,
        typer.Argument(
            help="A preset, a FILE.toml, or a folder, zip, Parquet, npz.",
            autocompletion=preset_names,
        ),
    ],
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Print what a data source holds, how it is split, and what could fail or mislead a run."""
    if not show_source(source, overrides or [], as_json):
        raise SystemExit(EXIT_FAILED)


def show_source(source: str, overrides: list[str], as_json: bool = False) -> bool:
    """Print what the source of a preset, a TOML file or a path holds, and what may mislead.

    Args:
      as_json: print one JSON document instead of a table.
    Returns:
      whether the configured run can work; if not, the reason has been printed.
    Raises:
      ValueError: `source` is none of these, does not exist, or has other columns.
    """
    if source in configuration.presets() or source.endswith(".toml"):
        config, notes = configuration.load(source, overrides)
        for note in notes:
            show_note(note)
        return _show(config, as_json)
    if not Path(source).exists():
        raise ValueError(
            f"'{source}' is neither a path nor a preset; presets are "
            f"{', '.join(configuration.presets())}"
        )
    kind = kind_of(Path(source))
    neutral = _PRESET_OF_A_PATH if kind == USUAL else {"task": {"kind": kind}}
    config, _ = configuration.load(neutral, _of_path(source, overrides))
    try:
        return _show(config, as_json)
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


def _show(config: MetaConfig, as_json: bool) -> bool:
    """Print the source's description and its notes; return whether the run can work."""
    problem = ""
    try:
        family = open_family(config)
        description, notes = family.describe(), notes_of(family)
    except SourceError:
        raise
    except DataError as error:
        problem = str(error)
        with progress_bar("decoding images", "images") as progress:
            description, notes = config.task.survey(progress)
    if description and not as_json:
        RESULTS.print(description_table(config.task.kind, description))
    for note in notes:
        show_note(note)
    if problem:
        NOTES.print(Text(f"this run cannot work: {problem}"))
    if as_json:
        print_json(
            {
                "kind": config.task.kind,
                "description": plain_values(description),
                "notes": notes,
                "works": not problem,
                "problem": problem,
            }
        )
    return not problem
