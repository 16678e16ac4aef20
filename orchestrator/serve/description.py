"""What clients may know of a served model, and of the limits of the service."""

from typing import Any

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.readers.registry import make_reader
from orchestrator.serve.http.bodies import arrow_body, files_body, json_body
from orchestrator.serve.limits import Limits
from workers.losses.registry import loss_of
from workers.wire.protocol import Recipe


def description_of(source: Artefact, recipe: Recipe, limits: Limits) -> dict[str, Any]:
    """Describe a run for `GET /model`.

    Args:
      recipe: how it adapts.
    """
    examples = source.examples
    loss = loss_of(examples)
    takes_files = make_reader(source.config.task, examples).takes_paths
    return {
        "task": source.config.task.kind,
        "inputs": sorted(source.config.task.gives),
        "input_shape": list(examples.input_shape),
        "targets": loss.targets,
        "most_classes": None if examples.any_ways or not loss.classifies else examples.num_outputs,
        "classes": examples.preparation.get("classes"),
        "features": (examples.preparation.get("features") or {}).get("names"),
        "inner_steps": recipe.inner_steps,
        "inner_lr": recipe.inner_lr,
        "protocol": source.protocol,
        "bodies": [json_body.TYPE, arrow_body.TYPE, *([files_body.TYPE] if takes_files else [])],
        "limits": {
            "body_bytes": limits.body_bytes,
            "examples": limits.examples,
            "waiting_requests": limits.waiting,
            "waiting_bytes": limits.waiting_bytes,
            "held_bytes": limits.held_bytes,
            "kept_support_sets": limits.kept,
            "kept_bytes": limits.kept_bytes,
            "expires_after_s": limits.expiry_s,
        },
    }
