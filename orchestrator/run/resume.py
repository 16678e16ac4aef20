"""The state that a run starts from: its folder must be empty, or hold the same run."""

import json
from typing import Any

from orchestrator.config.keys import later_defaults
from orchestrator.config.schema import MetaConfig, validate
from orchestrator.outer.state import MetaState
from orchestrator.records.metrics_log import has_metrics
from orchestrator.run import own_tasks
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage, part_of


def find_state(
    config: MetaConfig, storage: Storage, resume: bool, allow_changes: bool
) -> tuple[MetaState | None, dict[str, Any], list[str]]:
    """Find the state that a run in `storage` starts from.

    Returns:
      the state to resume or None, the fingerprint with which it was computed, notes for the user.
    Raises:
      ValueError: the folder holds another run, or the configuration changes its numbers.
    """
    if not resume:
        if storage.exists("config.toml") or checkpoint.names(storage):
            raise ValueError(
                f"{storage.location} already holds a run; give another --out, or --resume to "
                "continue"
            )
        _check_empty(storage)
        return None, {}, []
    latest = checkpoint.load_latest(storage)
    if latest is None:
        if has_metrics(storage):
            raise ValueError(
                f"{storage.location} holds a run without a checkpoint; give another --out"
            )
        # A run that was killed before its first checkpoint has left files but lost nothing.
        if not storage.exists("config.toml"):
            _check_empty(storage)
        return None, {}, [f"{storage.location} holds nothing to resume: starting afresh"]
    state, manifest, notes = latest
    if state.step > config.outer.steps:
        raise ValueError(
            f"outer.steps = {config.outer.steps}, but {storage.location} has done {state.step}; "
            f"set outer.steps to {state.step} or more"
        )
    differing = differences(config, manifest)
    model = [text for text in differing if text.startswith("model.")]
    if model and allow_changes:
        raise ValueError(
            f"{storage.location} holds the weights of another model: {'; '.join(model)}; set them "
            "back, --allow-changes is for the rest"
        )
    if differing and not allow_changes:
        raise ValueError(
            f"{storage.location} was trained with other numbers: {'; '.join(differing)}; set them "
            "back, or give --allow-changes"
        )
    if differing:
        notes.append(f"resuming with changes: {'; '.join(differing)}")
    return state, manifest.fingerprint, notes


def differences(config: MetaConfig, manifest: checkpoint.Manifest) -> list[str]:
    """List the settings that decide bits and differ from those of a checkpoint, one line each."""
    current, saved = (
        {"runtime.inner_memory": "store"} | bits  # which is not in `bits`
        for bits in (config.bits(), _defaults_of(manifest) | manifest.bits)
    )
    unset = later_defaults(config)
    return [
        f"{key} = {saved.get(key, unset.get(key))!r} there, "
        f"{current.get(key, unset.get(key))!r} now"
        for key in sorted(current.keys() | saved.keys())
        if json.dumps(current.get(key)) != json.dumps(saved.get(key))
    ]


def _defaults_of(manifest: checkpoint.Manifest) -> dict[str, Any]:
    """Return the values of settings that did not exist when the checkpoint was written."""
    table = dict(manifest.config)
    # Without the setting, every run stored its inner steps, however many there were.
    table["runtime"] = {"inner_memory": "store"} | dict(table.get("runtime", {}))
    try:
        return validate(table).bits()
    except ValueError:
        return {}


def _check_empty(storage: Storage) -> None:
    ours = (part_of("config.toml"), own_tasks.FOLDER)
    names = [name for name in storage.list() if name not in ours]
    if names:
        raise ValueError(
            f"{storage.location} is not empty ({', '.join(names[:3])}) and holds no run; give an "
            "--out that is new or empty"
        )
