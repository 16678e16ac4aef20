"""The check of each layer's second derivative, with advice where it is wrong."""

from dataclasses import dataclass, field
from typing import Any

from orchestrator.config.schema import MetaConfig
from orchestrator.doctor.finding import Finding
from workers.tasks.family import TaskFamily

_WHAT = "2nd derivative"


@dataclass(frozen=True, slots=True)
class Fault:
    """A layer whose second derivative is wrong.

    needed: whether training differentiates through it twice.
    """

    layer: str
    kind: str
    reason: str
    needed: bool


@dataclass(frozen=True, slots=True)
class Layers:
    """The result for a model's layers; see `workers.model_checks.second_derivative.Survey`."""

    faults: list[Fault]
    unchecked: list[str]
    num_layers: int
    unknown: list[str] = field(default_factory=list)
    too_large: list[str] = field(default_factory=list)


def look_at_layers(config: MetaConfig, family: TaskFamily) -> Layers:
    """Build the model and compare each layer with finite differences. Imports TensorFlow."""
    from workers.meta_parameters import make_train_model
    from workers.model_checks.second_derivative import survey_second_derivatives

    functional = make_train_model(config.worker, family)
    batch_statistics = config.model.statistics != "running"
    survey = survey_second_derivatives(
        functional.keras_model,
        functional.input_shape,
        batch_statistics,
        family.num_tokens,
        config.worker.execution,
    )
    needed = _needed(config, functional)
    faults = [
        Fault(layer.name, type(layer).__name__, reason, needed is None or id(layer) in needed)
        for layer, reason in survey.faults
    ]
    return Layers(faults, survey.unchecked, survey.num_layers, survey.unknown, survey.too_large)


def _needed(config: MetaConfig, functional: Any) -> set[int] | None:
    """Return the ids of layers that training differentiates twice; None: all of them."""
    if not is_second_order(config):
        return set()
    if config.algorithm.adapted != "head" or config.model.statistics == "support":
        return None
    # If the model can be cut, the inner loop trains only the head; see algorithms/anil.py.
    parts = functional.parts
    if not parts:
        return None
    head = parts.head.keras_model
    return {id(layer) for layer in [*head._flatten_layers(), *head.operations]}


def is_second_order(config: MetaConfig) -> bool:
    """Return whether training differentiates through its inner loop."""
    return config.algorithm.second_order


def check_layers(config: MetaConfig, layers: Layers) -> list[Finding]:
    """Make a finding for each faulty layer, or one finding if all are right."""
    order = "second" if is_second_order(config) else "first"
    findings = [_fault_finding(config, fault) for fault in layers.faults]
    if layers.unchecked:
        findings.append(
            Finding(
                _WHAT,
                f"not checked in {', '.join(layers.unchecked)}: no computation in float64, or none "
                "that is compiled by itself",
                "warning" if is_second_order(config) else "note",
                f"compare with a run of {_first_order(config)}" if order == "second" else "",
            )
        )
    if layers.unknown:
        findings.append(
            Finding(
                _WHAT,
                f"could not be checked in {', '.join(layers.unknown)} as a whole, whose curvature "
                "is too large for finite differences; none of its layers is wrong",
                "note",
            )
        )
    if layers.too_large:
        text = f"not checked in the largest {', '.join(layers.too_large)}: it would take too long"
        findings.append(Finding(_WHAT, text, "note"))
    if not findings:
        needed = "" if order == "second" else "; not needed: this run is first order"
        text = f"right in all {layers.num_layers} layers (finite differences in float64){needed}"
        findings.append(Finding(_WHAT, text))
    return findings


def _fault_finding(config: MetaConfig, fault: Fault) -> Finding:
    text = f"layer {fault.layer!r} ({fault.kind}) has {fault.reason}"
    if not fault.needed:
        why = "training does not differentiate twice through it"
        return Finding(_WHAT, f"{text}; not needed: {why}", "note")
    if getattr(config.model, "second_derivative", "checked") == "trusted":
        why = "model.second_derivative = 'trusted' says that this is on purpose"
        return Finding(_WHAT, f"{text}; {why}", "note")
    return Finding(
        _WHAT,
        text,
        "broken",
        f"replace the layer, or set {_first_order(config)}, or, if it stops gradients on "
        "purpose, model.second_derivative=trusted",
    )


def _first_order(config: MetaConfig) -> str:
    """Return what to set on the command line for a run of the first order."""
    return config.algorithm.without_second_order.replace(" = ", "=").replace("'", "")
