"""`metatrain report`: rebuilds a run's page from its folder, or compares several runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.common import RESULTS
from orchestrator.cli.json_output import Json, print_json, tables_aside
from orchestrator.cli.local_path import local_path
from workers.wire.errors import MetatrainError

if TYPE_CHECKING:  # slow to import
    from orchestrator.reporting.page.run_folder import RunFolder
    from orchestrator.storage.storage import Storage

_COMPARISON = "comparison.html"
_HEAD_BYTES = 4096


@command_settings(epilog="Example: metatrain report runs/a runs/b --out comparison.html")
def report(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Folders or URIs of runs."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            parser=local_path,
            metavar="FILE",
            help="File of the page. Default: report.html in the run's folder; for several runs, "
            "comparison.html here.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Rebuild a run's page, or compare several runs on one page."""
    with tables_aside(as_json):
        page, scores = write_report(runs, out)
    if as_json:
        print_json({"page": page, "runs": scores})


def write_report(runs: Sequence[str], out: Path | None) -> tuple[str, list[dict[str, Any]]]:
    """Write the page, and print its location.

    Args:
      runs: folders or URIs.
      out: file of the page; None: report.html in the run's folder, or comparison.html here.
    Returns:
      the page's location, and each run's folder, step and evaluation for JSON.
    Raises:
      ValueError: a folder holds no run or is given twice, or `out` is not a page of metatrain's.
    """
    from orchestrator.reporting.page.run_folder import PAGE, read_run
    from orchestrator.storage.object_store import reason
    from orchestrator.storage.storage import Storage
    from orchestrator.storage.targets import open_page, refuse_run_file

    storages = [Storage(run) for run in runs]
    _check_different(storages)
    if out is None and len(runs) > 1:
        out = Path(_COMPARISON)
    if out is not None:
        if len(runs) > 1:
            refuse_run_file(out, f"--out {out}")
        _check_out(out)
        folder, name, where = Storage(str(out.parent)), out.name, str(out)
    else:
        folder, name = storages[0], PAGE
        where = folder.place(PAGE)
    for storage in storages:  # report what is wrong before any file is touched
        read_run(storage)
    try:
        with open_page(folder, name):
            if out is not None:
                _check_out(out)
            read = [read_run(storage) for storage in storages]
            folder.write(name, _content(read))
    except OSError as error:
        raise MetatrainError(
            f"the page cannot be written to {where}: {reason(error)}; give --out FILE"
        ) from None
    RESULTS.print(f"page: {where}", markup=False)
    return where, [_document(run) for run in read]


def _document(run: RunFolder) -> dict[str, Any]:
    return {
        "run": run.location,
        "step": run.step,
        "steps": run.num_steps,
        "evaluation": run.result.model_dump() if run.result else None,
    }


def _check_different(storages: Sequence[Storage]) -> None:
    roots = [storage.root for storage in storages]
    for storage in storages:
        if roots.count(storage.root) > 1:
            raise ValueError(f"{storage.location} is given twice; give each run once")


def _content(runs: Sequence[RunFolder]) -> bytes:
    if len(runs) == 1:
        from orchestrator.reporting.page.page import page_of

        return page_of(runs[0])
    from orchestrator.reporting.page.comparison import comparison_of

    return comparison_of(runs)


def _check_out(out: Path) -> None:
    """Refuse to overwrite any file but a page of this command."""
    from orchestrator.reporting.page.html import is_ours

    if out.is_dir():
        raise ValueError(f"--out {out} is a folder; give a file")
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}; make it, or give another")
    if not out.exists():
        return
    with out.open("rb") as stream:
        is_page = is_ours(stream.read(_HEAD_BYTES))
    if not is_page:
        raise ValueError(f"--out {out} exists, and is no page of metatrain's; give another file")
