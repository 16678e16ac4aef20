"""The artefact of a run: all that adaptation needs, from the best checkpoint or an exported file.

The file is a zip of a manifest (JSON), tensors (Arrow) and, for a user's own model, its .keras
file. It holds no pickle.
"""

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestrator.adaptation.artefact_manifest import (
    FORMAT_VERSION,
    MANIFEST,
    ArtefactManifest,
    not_exported,
    parse_manifest,
)
from orchestrator.adaptation.litert.file_description import is_litert
from orchestrator.adaptation.run_facts import Shares
from orchestrator.calibration.calibration import Calibration, read_calibration
from orchestrator.config.schema import MetaConfig, validate
from orchestrator.outer.state import MetaState
from orchestrator.records.support_losses import read_support_losses
from orchestrator.storage import checkpoint
from orchestrator.storage.archive import read_members
from orchestrator.storage.arrow_tensors import decode, encode
from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import dumps
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.errors import CheckpointError
from workers.wire.protocol import Recipe
from workers.wire.tensors import all_finite, sha256, to_vector

_MODEL, _BACKBONE = "model.keras", "backbone.keras"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Artefact:
    """A meta-trained model, ready to adapt.

    config: of the run.
    examples: what the model must know of a task's examples.
    recipe: the inner rate and steps that validation chose.
    state: theta and the carry.
    protocol: the protocol of that validation.
    origin: where the artefact is from, for messages.
    model_digest: of a user's model in a run; "" in a file.
    loss_digest: of the modules of a user's loss and metrics; "" without any.
    model: a user's model as a .keras file, if there is one.
    backbone_digest: of a backbone in a run; "" in a file.
    backbone: the same of a backbone.
    calibration: of its predictions; None if it has none, as those of older versions.
    support_losses: of validation tasks, before and after adaptation: [tasks][2].
    changed_statistics: those of the run, "batch" or "support", if others were chosen since.
    """

    config: MetaConfig
    examples: UserTaskShapes
    recipe: Recipe
    state: MetaState
    protocol: dict[str, Any]
    origin: str
    model_digest: str = ""
    loss_digest: str = ""
    model: bytes | None = None
    backbone_digest: str = ""
    backbone: bytes | None = None
    calibration: Calibration | None = None
    support_losses: list[list[float]] = field(default_factory=list)
    changed_statistics: str = ""

    @property
    def shown_after(self) -> tuple[int, ...]:
        """See `RunFacts`."""
        return tuple(self.config.evaluation.inner_steps)

    @property
    def closed_form(self) -> bool:
        """See `RunFacts`."""
        return self.config.algorithm.closed_form

    @property
    def shares(self) -> Shares:
        """See `RunFacts`."""
        return Shares(self.config.evaluation.coverage, self.config.evaluation.false_alarms)


def load(source: str) -> Artefact:
    """Load a run's folder or URI, or a file that `metatrain export` wrote.

    Raises:
      ValueError: it is neither. CheckpointError: it is damaged.
    """
    path = Path(source).expanduser()
    if is_litert(source):
        raise ValueError(
            f"{path} is a LiteRT file, which only metatrain adapt takes; give the run, or a file "
            "that `metatrain export` wrote without --format"
        )
    if "://" not in source and path.is_file():
        return _of_file(path)
    return of_run(Storage(source))


def of_run(storage: Storage) -> Artefact:
    """Load the best validated checkpoint of a run.

    Raises:
      ValueError: there is no run, or it has no validated checkpoint.
      CheckpointError: no checkpoint verifies.
    """
    if not storage.exists("config.toml"):
        raise ValueError(
            f"{storage.location} holds no run (no config.toml) and is not an exported file; give "
            "the folder of a run"
        )
    checkpoints = checkpoint.survey(storage)
    if not any(entry.manifest and entry.manifest.validation for entry in checkpoints):
        has = "no validated checkpoint" if checkpoints else "no checkpoint"
        raise ValueError(
            f"{storage.location} has {has}: train it up to a validation first (evaluation.every), "
            "with --resume"
        )
    name, validation, _ = checkpoint.best(storage)
    state, manifest = checkpoint.load(storage, name)
    config = validate(manifest.config, is_stored=True)
    return Artefact(
        config=config,
        examples=_for_algorithm(_examples(config, manifest), config),
        recipe=Recipe(validation["inner_lr"], validation["inner_steps"]),
        state=MetaState(state.step, state.theta, state.names, state.carry),
        protocol=manifest.protocol,
        origin=f"{storage.location}, {name}",
        model_digest=manifest.fingerprint.get("model", ""),
        loss_digest=manifest.fingerprint.get("loss", ""),
        backbone_digest=manifest.fingerprint.get("backbone", ""),
        calibration=read_calibration(validation.get("calibration")),
        support_losses=read_support_losses(storage, manifest.theta_sha256),
    )


def as_bytes(artefact: Artefact) -> bytes:
    """Return the content of an exported file; equal artefacts give equal bytes."""
    carry = artefact.state.carry
    files = {
        "theta.arrow": encode(artefact.state.theta, artefact.state.names),
        "carry.arrow": encode(list(carry.values()), list(carry)),
        **({_MODEL: artefact.model} if artefact.model is not None else {}),
        **({_BACKBONE: artefact.backbone} if artefact.backbone is not None else {}),
    }
    manifest = {
        "format_version": FORMAT_VERSION,
        "config": json.loads(artefact.config.model_dump_json()),
        "examples": artefact.examples.model_dump(mode="json"),
        "recipe": {
            "inner_lr": artefact.recipe.inner_lr,
            "inner_steps": artefact.recipe.inner_steps,
        },
        "step": artefact.state.step,
        "theta_sha256": sha256(artefact.state.theta),
        "protocol": artefact.protocol,
        **({"loss_digest": artefact.loss_digest} if artefact.loss_digest else {}),
        **_later_entries(artefact),
        "origin": artefact.origin,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    files[MANIFEST] = dumps(manifest, indent=1).encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    return content.getvalue()


def from_bytes(content: bytes, origin: str, model_digest: str) -> Artefact:
    """Build the artefact of `as_bytes`, for pickles; the configuration may name a user's model.

    Args:
      origin, model_digest: of the artefact; its bytes do not keep them.
    Raises:
      ValueError: another version wrote the bytes. CheckpointError: they are damaged.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pickled.metatrain"
        file.write_bytes(content)
        artefact = _of_file(file, may_build_model=True)
    return replace(artefact, origin=origin, model_digest=model_digest)


def _of_file(path: Path, may_build_model: bool = False) -> Artefact:
    """Read and verify a file.

    Args:
      may_build_model: a user's model that is not in the file may be built by the user's code.
    """
    manifest = parse_manifest(path, _read(path, [MANIFEST])[MANIFEST])
    contents = _read(path, manifest.files)
    for name, expected in manifest.files.items():
        if hashlib.sha256(contents[name]).hexdigest() != expected:
            raise CheckpointError(f"{path}: {name} is damaged (its sha256 differs)")
    config = validate(manifest.config, is_stored=True)
    # The configuration names code to run; only training may run it, adapting a file may not.
    if not may_build_model:
        if config.model.is_users and _MODEL not in contents:
            raise ValueError(f"{path} lacks the user's model that it is for; export the run again")
        if config.model.backbone is not None and _BACKBONE not in contents:
            raise ValueError(f"{path} lacks the backbone that it is for; export the run again")
    return Artefact(
        config=config,
        examples=_for_algorithm(
            manifest.examples if may_build_model else _from_here(manifest.examples), config
        ),
        recipe=Recipe(manifest.recipe.inner_lr, manifest.recipe.inner_steps),
        state=_state(path, manifest, contents),
        protocol=manifest.protocol,
        origin=f"{path} ({manifest.origin})",
        loss_digest=manifest.loss_digest,
        model=contents.get(_MODEL),
        backbone_digest=manifest.backbone_digest,
        backbone=contents.get(_BACKBONE),
        calibration=read_calibration(manifest.calibration),
        support_losses=manifest.support_losses,
        changed_statistics=manifest.changed_statistics,
    )


def _for_algorithm(examples: UserTaskShapes, config: MetaConfig) -> UserTaskShapes:
    """Allow any number of classes, if the algorithm computes the head for them."""
    return examples.model_copy(update={"any_ways": config.algorithm.computes_head})


def _from_here(examples: UserTaskShapes) -> UserTaskShapes:
    """Have a user's loss imported from the working directory, as layers of a user's model are."""
    settings = examples.loss_settings
    if not settings.folder:
        return examples
    here = settings.model_copy(update={"folder": str(Path.cwd())})
    return examples.model_copy(update={"loss_settings": here})


def _read(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    try:
        return read_members(path, names)
    except KeyError:
        raise not_exported(path) from None
    except ValueError as error:
        raise not_exported(path, str(error)) from None


def _state(path: Path, manifest: ArtefactManifest, contents: dict[str, bytes]) -> MetaState:
    try:
        theta, names = decode(contents["theta.arrow"])
        values, carry_names = decode(contents["carry.arrow"])
    except (pa.ArrowException, CheckpointError, KeyError, TypeError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: its weights cannot be read ({why}); export the run again"
        ) from None
    finite = all_finite(to_vector(theta)) and all_finite(to_vector(values))
    if sha256(theta) != manifest.theta_sha256 or not finite:
        raise CheckpointError(f"{path}: its weights differ from those that were exported")
    carry = dict(zip(carry_names, values, strict=True))
    return MetaState(manifest.step, theta, names, carry)


def _later_entries(artefact: Artefact) -> dict[str, Any]:
    """Return the entries of a manifest that older versions did not write, those that there are."""
    calibration = artefact.calibration and artefact.calibration.model_dump()
    entries = {
        "calibration": calibration,
        "support_losses": artefact.support_losses,
        "changed_statistics": artefact.changed_statistics,
        "backbone_digest": artefact.backbone_digest,  # "" in an exported file, which holds it
    }
    return {name: value for name, value in entries.items() if value}


def _examples(config: MetaConfig, manifest: checkpoint.Manifest) -> UserTaskShapes:
    """Return the checkpoint's record of examples; rebuild it from the run's data if it has none."""
    if manifest.examples:
        return UserTaskShapes.model_validate(manifest.examples)
    from workers.tasks.registry import make_family
    from workers.tasks.user_tasks import user_task_shapes

    return user_task_shapes(make_family(config.task))
