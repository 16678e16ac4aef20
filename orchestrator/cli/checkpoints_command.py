"""`metatrain checkpoints`: lists a run's checkpoints, and verifies each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.common import RESULTS
from orchestrator.cli.json_output import Json, print_json
from orchestrator.text.plain_text import readable_size
from workers.wire.errors import CheckpointError

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    from orchestrator.storage.checkpoint import CheckpointStatus

_UNFINISHED = "not finished (it has no manifest)"


@command_settings(epilog="Example: metatrain checkpoints runs/sinusoid")
def checkpoints(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
    as_json: Json = False,
) -> None:
    """List a run's checkpoints, and verify each."""
    list_checkpoints(run, as_json)


def list_checkpoints(run: str, as_json: bool = False) -> None:
    """Print a table of the checkpoints, each read and verified.

    Args:
      as_json: print one JSON document instead of the table.
    Raises:
      ValueError: there is no run.
      CheckpointError: one of its checkpoints does not verify.
    """
    from orchestrator.records.metrics_log import has_metrics
    from orchestrator.storage import checkpoint
    from orchestrator.storage.checkpoint import step_of
    from orchestrator.storage.storage import Storage

    storage = Storage(run)
    finished, unfinished = checkpoint.survey(storage), checkpoint.unfinished(storage)
    if not finished and not storage.exists("config.toml"):
        raise ValueError(f"{storage.location} holds no run; give the folder or the URI of one")
    whole = {c.name: c.manifest.validation for c in finished if c.manifest and not c.problem}
    latest, best = max(whole, default=None, key=step_of), checkpoint.best_of(whole)
    uses = {"resume": latest, "evaluate": best}
    if as_json:
        print_json(_document(storage.location, finished, unfinished, uses))
    elif finished or unfinished:
        RESULTS.print(_filled_table(storage.location, finished, unfinished, uses))
    if finished and not whole:
        raise checkpoint.all_damaged(storage, finished[-1].problem)
    if not whole:
        remedy = "another --out" if has_metrics(storage) else "--resume"
        raise CheckpointError(
            f"{storage.location} holds no checkpoint; train with {remedy} starts from the beginning"
        )
    if damaged := [saved.name for saved in finished if saved.problem]:
        raise CheckpointError(
            f"{len(damaged)} of {len(finished)} checkpoints in {storage.location} do not verify "
            f"({', '.join(damaged)}); a resume uses {latest}"
        )


def _document(
    location: str,
    finished: Sequence[CheckpointStatus],
    unfinished: Sequence[str],
    uses: Mapping[str, str | None],
) -> dict[str, Any]:
    from orchestrator.storage.checkpoint import step_of

    rows = [
        {
            "name": saved.name,
            "step": step_of(saved.name),
            "size_bytes": saved.size_bytes if saved.manifest else None,
            "validation": saved.manifest.validation if saved.manifest else {},
            "theta_sha256": saved.manifest.theta_sha256 if saved.manifest else "",
            "verified": not saved.problem,
            "problem": saved.problem,
            "used_by": [use for use, name in uses.items() if name == saved.name],
        }
        for saved in finished
    ]
    return {"run": location, "checkpoints": rows, "unfinished": list(unfinished)}


def _filled_table(
    location: str,
    finished: Sequence[CheckpointStatus],
    unfinished: Sequence[str],
    uses: Mapping[str, str | None],
) -> Table:
    from orchestrator.storage.checkpoint import name_of, step_of

    table = _table(f"checkpoints of {location}", len(name_of(0)))
    rows = {name: [name, str(step_of(name)), "", "", _UNFINISHED, ""] for name in unfinished}
    for saved in finished:
        used_by = [use for use, name in uses.items() if name == saved.name]
        rows[saved.name] = [*_cells(saved), ", ".join(used_by)]
    for name in sorted(rows, key=step_of):
        table.add_row(*rows[name])
    return table


def _table(title: str, name_width: int) -> Table:
    """Make a table without rows; in a narrow terminal cells fold rather than lose text."""
    table = Table(title=title)
    for column in ("name", "step", "size", "validation", "state", "used by"):
        numeric = column in ("step", "size")
        justify: Literal["left", "right"] = "right" if numeric else "left"
        least = name_width if column == "name" else None
        table.add_column(column, justify=justify, overflow="fold", min_width=least)
    return table


def _cells(saved: CheckpointStatus) -> list[str]:
    from orchestrator.storage.checkpoint import step_of

    validation = saved.manifest.validation if saved.manifest else {}
    score = f"{validation['metric']} {validation['score']:.4g}" if validation else ""
    size = readable_size(saved.size_bytes) if saved.manifest else ""
    problem = saved.problem.removeprefix(saved.name).lstrip("/ ")
    return [saved.name, str(step_of(saved.name)), size, score, problem or "verified"]
