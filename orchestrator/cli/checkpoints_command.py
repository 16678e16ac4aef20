"""`metatrain checkpoints`: lists a run's checkpoints, and verifies each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from orchestrator.cli.common import RESULTS
from workers.wire.errors import CheckpointError

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    from orchestrator.storage.checkpoint import CheckpointStatus

_UNFINISHED = "not finished (it has no manifest)"
_UNITS = ("B", "kB", "MB", "GB", "TB")


def checkpoints(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run.")],
) -> None:
    """List a run's checkpoints, and verify each."""
    list_checkpoints(run)


def list_checkpoints(run: str) -> None:
    """Print a table of the checkpoints, each read and verified.

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
    table = _table(f"checkpoints of {storage.location}", len(checkpoint.name_of(0)))
    rows = {name: [name, str(step_of(name)), "", "", _UNFINISHED, ""] for name in unfinished}
    for saved in finished:
        uses = [use for use, name in (("resume", latest), ("evaluate", best)) if name == saved.name]
        rows[saved.name] = [*_cells(saved), ", ".join(uses)]
    for name in sorted(rows, key=step_of):
        table.add_row(*rows[name])
    if rows:
        RESULTS.print(table)
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
    size = _size(saved.size_bytes) if saved.manifest else ""
    problem = saved.problem.removeprefix(saved.name).lstrip("/ ")
    return [saved.name, str(step_of(saved.name)), size, score, problem or "verified"]


def _size(num_bytes: float) -> str:
    for unit in _UNITS[:-1]:
        if num_bytes < 1000:
            return f"{num_bytes:.3g} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.3g} {_UNITS[-1]}"
