"""sweep.json: the settings of a sweep, so that it resumes with the same settings or not at all."""

from typing import Any

from pydantic import ValidationError

from orchestrator.config.errors import explain
from orchestrator.config.schema import Table, flatten
from orchestrator.storage.storage import Storage
from orchestrator.sweep.settings import SearchSettings, SweepSettings
from orchestrator.text.json_text import FORMAT_VERSION, check_version, dumps, loads

SWEEP_FILE = "sweep.json"


def check(storage: Storage, sweep: SweepSettings, table: Table, resume: bool) -> None:
    """Compare a sweep with the content of its folder.

    Args:
      table: the table of the base with its overrides. resume: whether to continue a sweep.
    Raises:
      ValueError: the folder holds something else, or another sweep.
    """
    if storage.exists(SWEEP_FILE):
        if not resume:
            raise ValueError(
                f"{storage.location} already holds a sweep; give another --out, or "
                "--resume to continue"
            )
        _compare(_read(storage), _content(sweep, table), storage.location)
        return
    if resume:
        raise ValueError(
            f"{storage.location} holds no sweep (no {SWEEP_FILE}); give --resume the folder of "
            "one, or leave it out to start one there"
        )
    names = storage.list()
    if names:
        raise ValueError(
            f"{storage.location} is not empty ({', '.join(names[:3])}); give a new --out"
        )


def write(storage: Storage, sweep: SweepSettings, table: Table) -> None:
    """Write the settings of a sweep into its folder, unless they are there."""
    if not storage.exists(SWEEP_FILE):
        content = {"format_version": FORMAT_VERSION, **_content(sweep, table)}
        storage.write(SWEEP_FILE, dumps(content, indent=1).encode())


def _content(sweep: SweepSettings, table: Table) -> dict[str, Any]:
    settings = sweep.model_dump(mode="json", exclude_none=True)
    return loads(dumps({"sweep": settings, "run": table}))


def _read(storage: Storage) -> dict[str, Any]:
    """Read the settings of the sweep in the folder, without keys of a newer version.

    Such keys concern the search alone, of which Tune keeps its own state. What decides how a trial
    is trained is under `run`, and is compared whole.
    """
    place = storage.place(SWEEP_FILE)
    try:
        content = loads(storage.read(SWEEP_FILE))
        check_version(content, place)
        return {"sweep": _in_this_version(content["sweep"]), "run": dict(content["run"])}
    except ValidationError as error:
        why = f"sweep.{explain(error, SweepSettings)}"
    except (TypeError, KeyError, AttributeError):
        why = "it has no [sweep] and [run]"
    raise ValueError(
        f"{place} is not what a sweep writes ({why}); restore a copy, or give another --out"
    )


def _in_this_version(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as this version writes them: with its defaults and only its keys."""
    search = settings.get("search", {})
    known = {key: settings[key] for key in SweepSettings.model_fields if key in settings}
    known["search"] = {key: search[key] for key in SearchSettings.model_fields if key in search}
    return _content(SweepSettings.model_validate(known), {})["sweep"]


def _compare(saved: Table, current: Table, location: str) -> None:
    then, now = flatten(saved), flatten(current)
    differing = [
        f"{key} = {then.get(key)!r} there, {now.get(key)!r} now"
        for key in sorted(then.keys() | now.keys())
        if not _is_same(then.get(key), now.get(key))
    ]
    if differing:
        raise ValueError(
            f"{location} was started with other settings: {'; '.join(differing)}; set them back"
        )


def _is_same(then: Any, now: Any) -> bool:
    """Tell whether a value is unchanged; older versions wrote paths as in the file of the base."""
    if isinstance(then, list) and isinstance(now, list):
        return len(then) == len(now) and all(map(_is_same, then, now))
    if then != then and now != now:  # NaN, which a grid may hold
        return True
    if isinstance(then, str) and isinstance(now, str) and now.startswith("/"):
        return now == then or now.endswith(f"/{then.removeprefix('./')}")
    return bool(then == now)
