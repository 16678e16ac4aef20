"""Checks that a run is evaluated with the configuration, data and model of its checkpoint."""

from typing import Any

from orchestrator.config.schema import MetaConfig
from orchestrator.run.resume import differences
from orchestrator.storage import checkpoint
from orchestrator.storage.manifest import Manifest
from orchestrator.storage.storage import Storage
from workers.execution.fingerprint import differences as machine_differences
from workers.user_code.code_digest import agree
from workers.wire.errors import CheckpointError, FingerprintError

#: What is compared by itself; features follow from the backbone, but for their last digits.
_CHECKED = ("data", "model", "loss", "backbone")
_INSIST = "set them back, or give --allow-changes"


def check_configuration(
    config: MetaConfig, storage: Storage, manifest: Manifest, allow_changes: bool
) -> list[str]:
    """Compare the configuration in a run's folder with a checkpoint's.

    Returns:
      notes, if the run was resumed with changes or `allow_changes` is set.
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
            f"{storage.place('config.toml')} differs from the checkpoint: "
            f"{'; '.join(differing)}; {_INSIST}"
        )
    return [f"evaluating with changes since the checkpoint: {'; '.join(differing)}"]


def _fewer_steps(config: MetaConfig, manifest: Manifest) -> list[str]:
    """Return a line if outer.steps, which the protocol shows, is below the steps done."""
    if manifest.step <= config.outer.steps:
        return []
    return [f"outer.steps = {manifest.step} or more there, {config.outer.steps} now"]


def check_data(digest: str, manifest: Manifest, allow_changes: bool) -> list[str]:
    """Compare the digest of data and split with that of a checkpoint.

    Returns:
      notes, if they differ and `allow_changes` is set.
    Raises:
      ValueError: they differ.
    """
    if agree(digest, manifest.fingerprint.get("data", digest)):
        return []
    if not allow_changes:
        raise ValueError(
            "the data or their split differ from those of the training (the files at task.path, or "
            "task.split_file): test tasks may have been trained on; " + _INSIST
        )
    return ["evaluating on other data, or another split, than the run was trained on"]


def check_model(config: MetaConfig, fingerprint: dict[str, Any], manifest: Manifest) -> None:
    """Compare a user's model with that of a checkpoint.

    Raises:
      ValueError: its file or its frozen weights have changed.
    """
    if not agree(fingerprint.get("model"), manifest.fingerprint.get("model")):
        raise ValueError(
            f"{getattr(config.model, 'source', '')} has changed since the run was trained "
            "(its file or its frozen weights): the scores would not be the run's; set it back"
        )


def check_backbone(config: MetaConfig, fingerprint: dict[str, Any], manifest: Manifest) -> None:
    """Compare the backbone with that of a checkpoint.

    Raises:
      ValueError: its file, its function or its weights have changed.
    """
    if not agree(fingerprint.get("backbone"), manifest.fingerprint.get("backbone")):
        raise ValueError(
            f"model.backbone = {config.model.backbone!r} has changed since the run was trained: "
            "its features are not those that the weights were made for; set it back"
        )


def check_loss(fingerprint: dict[str, Any], manifest: Manifest, allow_changes: bool) -> list[str]:
    """Compare the modules of a user's loss and metrics with those of a checkpoint.

    Returns:
      notes, if they differ and `allow_changes` is set.
    Raises:
      ValueError: they differ.
    """
    if agree(fingerprint.get("loss"), manifest.fingerprint.get("loss")):
        return []
    if not allow_changes:
        raise ValueError(
            "the modules of task.loss or task.metrics have changed since the run was trained: the "
            "scores would not be comparable; " + _INSIST
        )
    return ["evaluating with other code of task.loss or task.metrics than the run was trained with"]


def other_machine(fingerprint: dict[str, Any], manifest: Manifest) -> list[str]:
    """Return a note if software or processor differ, so that last digits of scores may differ."""
    here, there = (
        {name: value for name, value in machine.items() if name not in _CHECKED}
        for machine in (fingerprint, manifest.fingerprint)
    )
    differing = machine_differences(here, there) if there else []
    if not differing:
        return []
    return [f"trained elsewhere, last digits may differ: {'; '.join(differing)}"]


def _newest(storage: Storage) -> Manifest:
    """Return the manifest of the newest checkpoint."""
    latest = checkpoint.load_latest(storage)
    if latest is None:
        raise CheckpointError(f"{storage.location} holds no checkpoint")
    return latest[1]


def check_same_bits(reference: dict[str, Any], fingerprint: dict[str, Any]) -> None:
    """Refuse to continue a run where its bits would change.

    Args:
      reference: the fingerprint of the run; empty for a new one.
      fingerprint: that of this machine, or of the actors.
    Raises:
      FingerprintError: names what differs, with both values.
    """
    wrong = machine_differences(fingerprint, reference) if reference else []
    if wrong:
        raise FingerprintError(
            f"the run would not continue with the same bits here: {'; '.join(wrong)} (model: the "
            "file that model.source names, and its frozen weights; backbone: what model.backbone "
            "names; features: what it computes; loss: the modules of task.loss and task.metrics; "
            "data: the files of task.path, the module of task.source, or that of "
            "task.environment and the versions of gymnasium and MuJoCo); resume where they are "
            "equal, or give --allow-changes"
        )
