"""The description of an exported run's arrays, and of what `metatrain adapt` needs of the run."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.litert.file_description import FOR_ADAPT, VERSION
from orchestrator.adaptation.readers.registry import make_reader
from workers.losses.registry import loss_of


@dataclass(frozen=True, slots=True)
class Support:
    """The support sets that the file adapts to: so many classes and examples.

    classes: 0 in regression. examples: of each class, or in all.
    """

    classes: int
    examples: int

    @property
    def number(self) -> int:
        """All examples."""
        return max(self.classes, 1) * self.examples


def description(source: Artefact, support: Support) -> dict[str, Any]:
    """Describe the arrays of both functions."""
    loss, shapes = loss_of(source.examples), source.examples
    targets = [support.number] if loss.classifies else [support.number, num_targets(source)]
    kind = f"class numbers, 0 to {support.classes - 1}" if loss.classifies else "numbers"
    outputs = "logits of the classes" if loss.classifies else "predicted numbers"
    return {
        "adapt": {
            "support_inputs": ["float32", [support.number, *shapes.input_shape]],
            "support_targets": ["int32" if loss.classifies else "float32", targets, kind],
            "gives": "state",
        },
        "predict": {
            "state": "what adapt gives",
            "query_inputs": ["float32", ["queries", *shapes.input_shape]],
            "gives": f"outputs, {outputs}",
        },
        "inputs": "pixels, 0 to 1" if source.config.task.gives == {"images"} else "as in training",
        "inner_steps": source.recipe.inner_steps,
        "inner_lr": source.recipe.inner_lr,
        "from": source.origin,
        "protocol": source.protocol,
    }


def num_targets(source: Artefact) -> int:
    """Return how many numbers a target holds, in regression."""
    return source.examples.num_outputs // loss_of(source.examples).outputs_per_target


def for_adapt(
    source: Artefact, support: Support, model: bytes, scores: Sequence[str], one_by_one: bool
) -> dict[str, Any]:
    """Describe a LiteRT file for `metatrain adapt`, see `ForAdapt`; it names no path but `from`.

    Args:
      model: the LiteRT model. scores: those that it computes.
      one_by_one: whether it predicts queries one at a time.
    """
    task, calibration = source.config.task, source.calibration
    examples = source.examples.model_dump(mode="json")
    examples["loss_settings"]["folder"] = ""
    reads = make_reader(task, source.examples).reads
    return {
        FOR_ADAPT: {
            "version": VERSION,
            "model_sha256": hashlib.sha256(model).hexdigest(),
            "model_bytes": len(model),
            "kind": task.kind,
            "reader": task.reader,
            "reader_settings": {name: getattr(task, name) for name in reads},
            "examples": examples,
            "computes_head": source.config.algorithm.computes_head,
            "classes": support.classes,
            "examples_of_each": support.examples,
            "one_by_one": one_by_one,
            "scores": list(scores),
            "shown_after": list(source.shown_after),
            "closed_form": source.closed_form,
            **source.shares._asdict(),
            "calibration": None
            if calibration is None
            else json.loads(calibration.model_dump_json()),
            "support_losses": source.support_losses,
            "changed_statistics": source.changed_statistics,
        }
    }
