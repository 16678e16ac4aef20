"""`metatrain report`: a run's page made anew from its folder, or several runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.commands.common import RESULTS
from orchestrator.object_store import reason
from orchestrator.page.html import is_ours
from orchestrator.page.run_folder import read_run
from orchestrator.storage import Storage
from workers.errors import MetatrainError

_COMPARISON = "comparison.html"
_HEAD_BYTES = 4096


def execute(runs: Sequence[str], out: Path | None) -> None:
    """Write the page, and say where it is.

    Args:
      runs: folders or URIs. out: where the page goes; None: report.html in the run's folder, or
        comparison.html here.
    Raises:
      ValueError: a folder holds no run, is given twice, or `out` is a file of somebody else's.
    """
    storages = [Storage(run) for run in runs]
    roots = [storage.root for storage in storages]
    for storage in storages:
        if roots.count(storage.root) > 1:
            raise ValueError(f"{storage.location} is given twice; give each run once")
    if out is None and len(runs) > 1:
        out = Path(_COMPARISON)
    if out is not None:
        _check_out(out)
    found = [read_run(storage) for storage in storages]
    if len(found) == 1:
        from orchestrator.page.page import NAME, page_of

        content = page_of(found[0])
    else:
        from orchestrator.page.comparison import comparison_of

        content = comparison_of(found)
    try:
        if out is not None:
            Storage(str(out.parent)).write(out.name, content)
            RESULTS.print(f"page: {out}")
        else:
            storages[0].write(NAME, content)
            RESULTS.print(f"page: {storages[0].place(NAME)}")
    except OSError as error:
        where = out or storages[0].location
        raise MetatrainError(
            f"the page cannot be written to {where}: {reason(error)}; give --out FILE"
        ) from None


def _check_out(out: Path) -> None:
    """A page that this command has made may be made anew; nothing else is written over."""
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder; give a file")
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}; make it, or give another")
    if not out.exists():
        return
    with out.open("rb") as stream:
        ours = is_ours(stream.read(_HEAD_BYTES))
    if not ours:
        raise ValueError(f"--out {out} exists, and is no page of metatrain's; give another file")
