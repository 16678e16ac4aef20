"""Checks and settings of adaptation that Python and the command line share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.adaptation.artefact import Artefact
from orchestrator.records.evaluation_protocol import with_other_statistics
from orchestrator.storage.targets import NewFile, open_file
from workers.losses.registry import loss_of
from workers.models.user_model import KerasModel
from workers.settings.worker import ActorSettings
from workers.user_code.code_digest import agree
from workers.wire.protocol import Recipe
from workers.wire.tensors import Shape

#: The files that a model adapted to examples can be saved as.
MODEL_FILES = (".keras", ".onnx")


def worker_settings(source: Artefact) -> ActorSettings:
    """Return the settings of a block runner for a user's tasks.

    Those of a policy keep the run's tasks, its environments.
    """
    worker = source.config.worker
    if loss_of(source.examples).acts:
        return worker
    return worker.model_copy(update={"task": source.examples})


def with_models_in(settings: ActorSettings, folder: Path, source: Artefact) -> ActorSettings:
    """Write the models of an exported file into `folder`; return settings that read them."""
    # Modules with custom layers are imported from the working directory.
    changed: dict[str, Any] = {"folder": str(Path.cwd())}
    if source.model is not None:
        assert isinstance(settings.model, KerasModel)
        changed |= {
            "source": _written(folder / "model.keras", source.model),
            "arguments": {},
            "encoder": False,  # the head is in the file
        }
    if source.backbone is not None:
        changed["backbone"] = _written(folder / "backbone.keras", source.backbone)
    if len(changed) == 1:
        return settings
    return settings.model_copy(update={"model": settings.model.model_copy(update=changed)})


def _written(file: Path, content: bytes) -> str:
    file.write_bytes(content)
    return str(file)


def check_model(source: Artefact, digest: str, loss_digest: str = "") -> None:
    """Raise ValueError if a user's model or loss is not the one that was trained."""
    if source.model_digest and not agree(source.model_digest, digest):
        name = getattr(source.config.model, "source", "")
        raise ValueError(
            f"{name} has changed since the run was trained (its file or its frozen weights): the "
            "run's weights do not fit it; restore it"
        )
    if not agree(source.loss_digest, loss_digest):
        raise ValueError(
            f"the modules of {source.examples.loss} and of task.metrics have changed since the run "
            "was trained: its weights were not made for this loss; restore them"
        )


def check_backbone(source: Artefact, digests: Mapping[str, str]) -> None:
    """Raise ValueError if the backbone is not the one that the run was trained with.

    Args:
      digests: see `digests_of`.
    """
    if source.backbone_digest and not agree(source.backbone_digest, digests.get("backbone", "")):
        raise ValueError(
            f"model.backbone = {source.config.model.backbone!r} has changed since the run was "
            "trained: its features are not those that the weights were made for; restore it"
        )


def check_weights(source: Artefact, names: Sequence[str], shapes: Sequence[Shape]) -> None:
    """Raise ValueError if the weights do not have these names and shapes of a model."""
    actual = [array.shape for array in source.state.theta]
    if (list(names), list(shapes)) != (source.state.names, actual):
        raise ValueError(
            f"{source.origin}: its weights are of another model than its configuration says; "
            "export the run again"
        )


def with_statistics(source: Artefact, statistics: str | None) -> Artefact:
    """Choose the statistics that queries are normalized by.

    Args:
      statistics: "batch", of all queries together; or "support", of each query with the support
        set. None: "support" if the queries of a task were normalized together in training. There
        all classes have equal shares; a user's queries may not, and would then be predicted
        wrongly without a sign of it.
    Raises:
      ValueError: the model has no batch normalization, or running statistics.
    """
    model = source.config.model
    normalization = getattr(model, "normalization", "batch")
    if statistics is None:
        # Checkpoints of version 2 have no protocol.
        by_batch = normalization == model.statistics == "batch"
        transductive = source.protocol.get("transductive", hasattr(model, "normalization"))
        statistics = "support" if by_batch and transductive else model.statistics
    if statistics == model.statistics:
        return source
    if source.config.algorithm.computes_head:
        raise ValueError(
            f"statistics = {statistics!r}: the run's features are those of {model.statistics} "
            "statistics, in training and here; omit it"
        )
    allowed = ("batch", "support")
    if statistics not in allowed or model.statistics not in allowed or normalization != "batch":
        has = (
            f"{model.statistics} statistics" if normalization == "batch" else "no batch statistics"
        )
        raise ValueError(
            f"statistics = {statistics!r}: the model has {has}; those of a batch can be exchanged "
            f"for {' or '.join(map(repr, allowed))}"
        )
    changed = source.config.model_copy(
        update={"model": model.model_copy(update={"statistics": statistics})}
    )
    protocol = {**source.protocol, "transductive": statistics == "batch"}
    description = protocol.get("normalization", "")
    protocol["normalization"] = with_other_statistics(description, model.statistics, statistics)
    before = source.changed_statistics or model.statistics
    return replace(
        source,
        config=changed,
        protocol=protocol,
        changed_statistics="" if statistics == before else before,
    )


def change(source: Artefact, inner_steps: int | None, inner_lr: float | None) -> Recipe:
    """Return the artefact's recipe with the steps and rate that are not None.

    Raises:
      ValueError: inner_steps < 0 or > 10000, inner_lr <= 0, or it adapts without inner steps.
    """
    recipe, algorithm = source.recipe, source.config.algorithm
    for name, value in {"inner_steps": inner_steps, "inner_lr": inner_lr}.items():
        if value is not None and algorithm.num_episodes:
            raise ValueError(
                f"{name} = {value:g}: algorithm.kind = {algorithm.kind!r} keeps a policy's state "
                f"over {algorithm.num_episodes} episodes, without inner steps; omit it"
            )
        if value is not None and algorithm.closed_form:
            raise ValueError(
                f"{name} = {value:g}: algorithm.kind = {algorithm.kind!r} computes the head at "
                "once, without inner steps; omit it"
            )
    steps = recipe.inner_steps if inner_steps is None else inner_steps
    rate = recipe.inner_lr if inner_lr is None else inner_lr
    if int(steps) != steps or not 0 <= steps <= 10_000:
        raise ValueError(f"inner_steps = {steps}; whole numbers from 0 to 10000 are allowed")
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"inner_lr = {rate:g}; it must be above 0")
    return Recipe(rate, int(steps))


def check_model_name(file: Path, allowed: Sequence[str] = (".keras",)) -> None:
    """Raise ValueError if the name of a model does not end in an allowed suffix."""
    if file.suffix not in allowed:
        raise ValueError(f"{file}: the name of a saved model must end in {' or '.join(allowed)}")


@contextmanager
def open_model_file(file: str | Path, allowed: Sequence[str] = (".keras",)) -> Iterator[NewFile]:
    """Open a new file for a model. Raises ValueError if it exists or cannot be written."""
    path = Path(file)
    check_model_name(path, allowed)
    with open_file(path) as new:
        yield new
