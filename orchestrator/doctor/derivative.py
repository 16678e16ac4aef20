"""Whether the second derivative of each layer is right, and what to do where it is not."""

from dataclasses import dataclass, field
from typing import Any

from orchestrator.config.schema import MetaConfig
from orchestrator.doctor.finding import Finding
from workers.tasks.family import TaskFamily

_WHAT = "2nd derivative"


@dataclass(frozen=True, slots=True)
class Fault:
    """A layer at fault. needed: whether training differentiates through it twice."""

    layer: str
    kind: str
    reason: str
    needed: bool


@dataclass(frozen=True, slots=True)
class Layers:
    """What was found in a model; see `workers.model_checks.second_derivative.Survey`."""

    faults: list[Fault]
    unchecked: list[str]
    num_layers: int
    unknown: list[str] = field(default_factory=list)
    too_large: list[str] = field(default_factory=list)


def look_at_layers(config: MetaConfig, family: TaskFamily) -> Layers:
    """Build the model, and compare each layer with finite differences. Imports TensorFlow."""
    from workers.meta_parameters import make_train_model
    from workers.model_checks.second_derivative import survey_second_derivatives

    functional = make_train_model(config.worker, family)
    batch_statistics = config.model.statistics != "running"
    survey = survey_second_derivatives(
        functional.keras_model, family.input_shape, batch_statistics, family.num_tokens
    )
    needed = _needed(config, functional)
    faults = [
        Fault(layer.name, type(layer).__name__, reason, needed is None or id(layer) in needed)
        for layer, reason in survey.faults
    ]
    return Layers(faults, survey.unchecked, survey.num_layers, survey.unknown, survey.too_large)


def _needed(config: MetaConfig, functional: Any) -> set[int] | None:
    """Ids of the layers that training differentiates twice; None: all of them."""
    if not is_second_order(config):
        return set()
    if config.algorithm.adapted != "head" or config.model.statistics == "support":
        return None
    # Where the model can be cut, the inner loop is of the head alone; see algorithms/anil.py.
    parts = functional.parts
    if not parts:
        return None
    head = parts.head.keras_model
    return {id(each) for each in [*head._flatten_layers(), *head.operations]}


def is_second_order(config: MetaConfig) -> bool:
    """Whether training differentiates through its inner loop."""
    return config.algorithm.second_order


def judge_layers(config: MetaConfig, layers: Layers) -> list[Finding]:
    """A finding for each layer at fault, or one for all that are right."""
    order = "second" if is_second_order(config) else "first"
    findings = [_judge(config, fault) for fault in layers.faults]
    if layers.unchecked:
        findings.append(
            Finding(
                _WHAT,
                f"not checked in {', '.join(layers.unchecked)}: does not compute in float64",
                "warning" if is_second_order(config) else "note",
                "compare a run with one of algorithm.first_order=true" if order == "second" else "",
            )
        )
    if layers.unknown:
        findings.append(
            Finding(
                _WHAT,
                f"could not be checked in {', '.join(layers.unknown)} as a whole, which bends too "
                "fast for finite differences; none of its layers is wrong",
                "note",
            )
        )
    if layers.too_large:
        found = f"not checked in the largest {', '.join(layers.too_large)}: it would take too long"
        findings.append(Finding(_WHAT, found, "note"))
    if not findings:
        needed = "" if order == "second" else "; not needed: this run is first order"
        found = f"right in all {layers.num_layers} layers (finite differences in float64){needed}"
        findings.append(Finding(_WHAT, found))
    return findings


def _judge(config: MetaConfig, fault: Fault) -> Finding:
    found = f"layer {fault.layer!r} ({fault.kind}) has {fault.reason}"
    if not fault.needed:
        why = "training does not differentiate twice through it"
        return Finding(_WHAT, f"{found}; not needed: {why}", "note")
    if getattr(config.model, "second_derivative", "checked") == "trusted":
        why = "model.second_derivative = 'trusted' says that this is on purpose"
        return Finding(_WHAT, f"{found}; {why}", "note")
    return Finding(
        _WHAT,
        found,
        "broken",
        "replace the layer, or set algorithm.first_order=true, or, if it stops gradients on "
        "purpose, model.second_derivative=trusted",
    )
