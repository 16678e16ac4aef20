"""Files that adapt and predict without metatrain: a SavedModel, or a LiteRT file.

Both hold the functions of `workers.export.adaptation_functions`, and `metatrain.json`, which says
what their arrays are. A LiteRT file is a flatbuffer with a zip behind it, as LiteRT's associated
files are.
"""

import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.litert.file_description import DESCRIPTION
from orchestrator.adaptation.user_tasks import UserTask, recipe_for, specs_of
from orchestrator.export.description import Support, description, for_adapt, num_targets
from orchestrator.learner import Learner
from orchestrator.storage.targets import NewFile
from orchestrator.text.json_text import dumps
from workers.losses.registry import loss_of
from workers.losses.scoring import Scorer
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Array

_EXTRA = "assets.extra"
_QUERIES, _SEED = 3, 0
#: How far the outputs may be from our own, in units of their largest.
_TOLERANCE = 1e-5
FORMATS = ("savedmodel", "litert")


def support_of(source: Artefact, classes: int | None, examples: int | None) -> Support:
    """Choose the size of support sets: that of the run's tasks unless it is given.

    Raises:
      ValueError: the run's outputs are fixed for another number of classes, or its tasks are of a
        kind that needs metatrain.
    """
    _check_family(source)
    task, shapes = source.config.task, source.examples
    shots: Any = source.config.evaluation.size or getattr(task, "shots", 1)
    most = int(np.max(shots))
    if not loss_of(shapes).classifies:
        if classes is not None:
            raise ValueError(f"--classes {classes} is for classes, and the run predicts numbers")
        return Support(0, examples or most)
    if classes is not None and not source.config.algorithm.computes_head:
        trained = shapes.num_outputs
        if classes != trained:
            raise ValueError(
                f"--classes {classes}, but the run's head has {trained}, which adapt at once; omit "
                "it, or train with algorithm.kind = 'protonet', 'proto_maml' or 'ridge'"
            )
    return Support(classes or shapes.num_outputs, examples or most)


def _check_family(source: Artefact) -> None:
    """Refuse runs whose examples metatrain prepares in a way that the file would not."""
    loss, shapes, kind = loss_of(source.examples), source.examples, source.config.task.kind
    if loss.acts or loss.generates or shapes.num_tokens is not None:
        what = "policies act" if loss.acts else "texts become tokens"
        raise ValueError(
            f"task.kind = {kind!r}: {what} by metatrain's own code; use its own format"
        )
    if shapes.preparation:
        names = ", ".join(sorted(shapes.preparation))
        raise ValueError(
            f"task.kind = {kind!r}: metatrain prepares examples ({names}); use its own format"
        )
    if source.config.model.backbone is not None:
        raise ValueError("model.backbone computes features ahead of the model; use its own format")


def write_standalone(
    source: Artefact, support: Support, form: str, new: NewFile, say: Callable[[str], None]
) -> float:
    """Trace, convert, compare with the run's own answers, and write.

    Args:
      form: "savedmodel" or "litert".
      say: takes a line about what is being done.
    Returns:
      the largest difference to our own outputs, in units of the largest output.
    Raises:
      ValueError: the model has an operation that the format lacks.
      MetatrainError: what was converted answers otherwise than the run.
    """
    from workers.export.litert_file import answers

    say("building the model")
    learner = Learner(source)
    task = _made_up(source, support)
    try:
        functions = _functions(source, learner, task, portable=form == "litert")
        say("converting")
        if form == "litert":
            content, scores = functions.as_litert()
        else:
            with tempfile.TemporaryDirectory() as folder:
                functions.as_saved_model(Path(folder) / "model")
                files = _files_in(Path(folder) / "model")
    except NotImplementedError as error:
        raise ValueError(
            f"the model needs {error}, which LiteRT lacks; use --format savedmodel"
        ) from error
    say("comparing its answers with the run's")
    about = description(source, support)
    if form == "litert":
        outputs = answers(content, task.support_inputs, task.support_targets, task.query_inputs)
        difference = _compare(outputs, learner, task)
        alone = functions.predicts_one_by_one
        about |= for_adapt(source, support, content, scores, alone)
        new.write(_with_description(content, _encoded(about)))
        return difference
    outputs = functions.outputs(task.support_inputs, task.support_targets, task.query_inputs)
    difference = _compare(outputs, learner, task)
    with new.as_folder() as folder_:
        for name, written in {**files, f"{_EXTRA}/{DESCRIPTION}": _encoded(about)}.items():
            folder_.write(name, written)
        folder_.publish()
    return difference


def _made_up(source: Artefact, support: Support) -> UserTask:
    """Make a task of random examples, to trace and compare with."""
    rng, shapes = np.random.default_rng(_SEED), source.examples
    inputs = rng.random((support.number + _QUERIES, *shapes.input_shape), np.float32)
    classes: list[str] | None = None
    targets: Array = rng.random((support.number, num_targets(source)), np.float32)
    if loss_of(shapes).classifies:
        classes = [str(i) for i in range(support.classes)]
        targets = (np.arange(support.number) % support.classes).astype(np.int32)
    rows = np.arange(_QUERIES)
    shown, asked = inputs[: support.number], inputs[support.number :]
    return UserTask("", classes, shown, targets, asked, None, rows)


def _functions(source: Artefact, learner: Learner, task: UserTask, portable: bool) -> Any:
    from workers.export.adaptation_functions import AdaptationFunctions, SupportShape

    config, recipe = source.config, recipe_for(source.config, task, source.recipe)
    targets = () if learner.classifies else task.support_targets.shape[1:]
    shape = SupportShape(len(task.support_inputs), task.support_inputs.shape[1:], targets)
    specs = specs_of(config, [task], recipe)
    batches = specs["batches"][0] if "batches" in specs else np.zeros((0, 0), np.int32)
    weights = source.state.weights
    made = learner.held_out, weights, recipe, shape, batches, portable
    return AdaptationFunctions(*made, Scorer(learner.loss))


def _compare(outputs: Array, learner: Learner, task: UserTask) -> float:
    ours = learner.run("predict", task, learner.recipe)["outputs"][-1]
    difference = float(np.abs(outputs - ours).max() / max(np.abs(ours).max(), 1e-6))
    if not difference <= _TOLERANCE:
        raise MetatrainError(
            f"what was converted answers otherwise than the run, by {difference:.1e} of the "
            f"largest output (allowed: {_TOLERANCE:g}); nothing was written"
        )
    return difference


def _encoded(about: dict[str, Any]) -> bytes:
    return dumps(about, indent=1).encode()


def _with_description(content: bytes, about: bytes) -> bytes:
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as behind:
        behind.writestr(zipfile.ZipInfo(DESCRIPTION), about)
    return file.getvalue()


def _files_in(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
