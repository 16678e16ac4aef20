"""sweep.json: what a sweep is, so that it goes on as the same or not at all."""

from typing import Any

from pydantic import ValidationError

from orchestrator.config.errors import explain
from orchestrator.config.schema import Table, flatten
from orchestrator.storage.storage import Storage
from orchestrator.sweep.settings import SearchSettings, SweepSettings
from orchestrator.text.json_text import FORMAT_VERSION, check_version, dumps, loads

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
        _compare(_read(storage), _content(sweep, table), storage.location)
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
        content = {"format_version": FORMAT_VERSION, **_content(sweep, table)}
        storage.write(NAME, dumps(content, indent=1).encode())


def _content(sweep: SweepSettings, table: Table) -> dict[str, Any]:
    settings = sweep.model_dump(mode="json", exclude_none=True)
    return loads(dumps({"sweep": settings, "run": table}))


def _read(storage: Storage) -> dict[str, Any]:
    """What another sweep is, in this version's keys: those of a newer one are passed over.

    They are about the search alone, of which Tune keeps its own state. What decides how a trial is
    trained is under `run`, and is compared whole.
    """
    place = storage.place(NAME)
    try:
        found = loads(storage.read(NAME))
        check_version(found, place)
        return {"sweep": _known(found["sweep"]), "run": dict(found["run"])}
    except ValidationError as error:
        why = f"sweep.{explain(error, SweepSettings)}"
    except (TypeError, KeyError, AttributeError):
        why = "it has no [sweep] and [run]"
    raise ValueError(
        f"{place} is not what a sweep writes ({why}); put back a copy, or give another --out"
    )


def _known(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings as this version would write them: with its defaults, without keys of others."""
    search = settings.get("search", {})
    known = {key: settings[key] for key in SweepSettings.model_fields if key in settings}
    known["search"] = {key: search[key] for key in SearchSettings.model_fields if key in search}
    return _content(SweepSettings.model_validate(known), {})["sweep"]


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
