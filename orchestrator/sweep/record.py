"""sweep.json: what a sweep is, so that it goes on as the same or not at all."""

import json
from typing import Any

from orchestrator.config import Table, flatten
from orchestrator.storage import Storage
from orchestrator.sweep.settings import SweepSettings

NAME = "sweep.json"


def check(storage: Storage, sweep: SweepSettings, table: Table, resume: bool) -> None:
    """Compare the sweep with what is in its folder.

    Raises:
      ValueError: the folder holds something else, or another sweep.
    """
    if storage.exists(NAME):
        if not resume:
            raise ValueError(
                f"{storage.location} holds a sweep already; give another --out, or "
                "--resume to go on"
            )
        _compare(json.loads(storage.read(NAME)), _content(sweep, table), storage.location)
        return
    if resume:
        raise ValueError(
            f"{storage.location} holds no sweep (no {NAME}); give --resume the folder of one, or "
            "leave it out to begin there"
        )
    there = storage.list()
    if there:
        raise ValueError(
            f"{storage.location} is not empty ({', '.join(there[:3])}); give a new --out"
        )


def write(storage: Storage, sweep: SweepSettings, table: Table) -> None:
    """Write what the sweep is into its folder, if it is not there yet."""
    if not storage.exists(NAME):
        storage.write(NAME, json.dumps(_content(sweep, table), indent=1).encode())


def _content(sweep: SweepSettings, table: Table) -> dict[str, Any]:
    settings = sweep.model_dump(mode="json", exclude_none=True)
    return json.loads(json.dumps({"sweep": settings, "run": table}))


def _compare(theirs: Table, ours: Table, location: str) -> None:
    flat, now = flatten(theirs), flatten(ours)
    differing = [
        f"{key} = {flat.get(key)!r} there, {now.get(key)!r} now"
        for key in sorted(flat.keys() | now.keys())
        if not _is_same(flat.get(key), now.get(key))
    ]
    if differing:
        raise ValueError(
            f"{location} was begun with other settings: {'; '.join(differing)}; set them back"
        )


def _is_same(then: Any, now: Any) -> bool:
    """Whether a value is as it was; older versions wrote paths as they stood in the base's file."""
    if isinstance(then, str) and isinstance(now, str) and now.startswith("/"):
        return now == then or now.endswith(f"/{then.removeprefix('./')}")
    return bool(then == now)
