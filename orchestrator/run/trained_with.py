"""Whether what a run is evaluated with is what it was trained with: its checkpoint says what."""

from typing import Any

from orchestrator.config.schema import MetaConfig
from orchestrator.run.resume import differences
from orchestrator.storage import checkpoint
from orchestrator.storage.manifest import Manifest
from orchestrator.storage.storage import Storage
from workers.execution import runtime
from workers.wire.errors import CheckpointError

_INSIST = "set them back, or give --allow-changes"


def check_configuration(
    config: MetaConfig, storage: Storage, manifest: Manifest, allow_changes: bool
) -> list[str]:
    """Compare the configuration in a run's folder with a checkpoint's.

    Returns:
      notes: the run itself was resumed with changes since, or somebody insists.
    Raises:
      ValueError: config.toml has been edited; names the keys.
    """
    differing = [*differences(config, manifest), *_fewer_steps(config, manifest)]
    if not differing:
        return []
    newest = _newest(storage)
    edited = [*differences(config, newest), *_fewer_steps(config, newest)]
    if edited and not allow_changes:
        raise ValueError(
            f"{storage.place('config.toml')} says otherwise than the checkpoint: "
            f"{'; '.join(differing)}; {_INSIST}"
        )
    return [f"evaluating with changes since the checkpoint: {'; '.join(differing)}"]


def _fewer_steps(config: MetaConfig, manifest: Manifest) -> list[str]:
    """The protocol says how many outer steps there were: not fewer than have been done."""
    if manifest.step <= config.outer.steps:
        return []
    return [f"outer.steps = {manifest.step} or more there, {config.outer.steps} now"]


def check_data(digest: str, manifest: Manifest, allow_changes: bool) -> list[str]:
    """Compare the data and their split, by digest, with those that a checkpoint was trained on.

    Returns:
      notes. Raises ValueError: they are other ones.
    """
    if digest == manifest.fingerprint.get("data", digest):
        return []
    if not allow_changes:
        raise ValueError(
            "the data or their split are not those that the run was trained on (what lies at "
            "task.path, or task.split_file): test tasks may have been trained on; " + _INSIST
        )
    return ["evaluating on other data, or another split, than the run was trained on"]


def check_model(config: MetaConfig, fingerprint: dict[str, Any], manifest: Manifest) -> None:
    """Compare a user's model with the one that a checkpoint was trained with.

    Raises:
      ValueError: its file or its frozen weights have changed.
    """
    if fingerprint.get("model") != manifest.fingerprint.get("model"):
        raise ValueError(
            f"{getattr(config.model, 'source', '')} has changed since the run was trained "
            "(its file or its frozen weights): these would not be the run's numbers; set it back"
        )


def other_machine(fingerprint: dict[str, Any], manifest: Manifest) -> list[str]:
    """A note where software or processor are other ones: scores may differ in their last digits."""
    of_both = [
        {name: value for name, value in each.items() if name not in ("data", "model")}
        for each in (fingerprint, manifest.fingerprint)
    ]
    found = runtime.differences(*of_both) if of_both[1] else []
    return [f"trained elsewhere, last digits may differ: {'; '.join(found)}"] if found else []


def _newest(storage: Storage) -> Manifest:
    """Of the checkpoint that was written last, with the configuration that is there."""
    found = checkpoint.load_latest(storage)
    if found is None:
        raise CheckpointError(f"{storage.location} holds no checkpoint")
    return found[1]
