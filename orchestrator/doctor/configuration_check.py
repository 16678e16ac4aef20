"""The check of a configuration: builds its model, measures it, and forecasts a run."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.config.schema import MetaConfig
from orchestrator.doctor import machine
from orchestrator.doctor.child import in_child
from orchestrator.doctor.derivative import check_layers
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.findings import (
    actors_finding,
    blocks_finding,
    data_finding,
    inner_loop_finding,
    memory_finding,
    model_finding,
)
from orchestrator.doctor.forecast import Plan, Row, forecast
from orchestrator.doctor.measure import (
    LONG_STEP_S,
    Local,
    Measurement,
    Shared,
    measure_here,
    measure_on_actors,
)
from orchestrator.evaluate import recipes
from workers.tasks.family import TaskFamily

Say = Callable[[str], None]

# Seconds beyond the actors' start limit for Ray, compiling, and the measured steps.
_ACTORS_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class ConfigurationCheck:
    """The findings about a configuration.

    rows: the forecast, empty if the configuration cannot run.
    """

    findings: list[Finding]
    rows: list[Row] = field(default_factory=list)


def check_configuration(
    config: MetaConfig, family: TaskFamily, num_actors: int, say: Say
) -> ConfigurationCheck:
    """Measure a configuration in one process, and on actors unless their number is 0.

    Raises:
      ValueError: a user's model cannot be loaded, or cannot be trained.
    """
    findings = [data_finding(config, family)]
    available_bytes = machine.available_bytes()
    try:
        measured: Measurement = in_child(measure_here, config, say=say)
    except ValueError:
        raise
    except Exception as error:
        advice = "read the message, and see metatrain train --verbose"
        return ConfigurationCheck([*findings, Finding("model", _line(error), "broken", advice)])
    findings += _model_findings(config, measured)
    local = measured.local
    if local is None:
        return ConfigurationCheck(findings)
    shared = None
    if num_actors:
        shared, problem = _on_actors(config, local, num_actors, say)
        findings += problem
    plan = _plan(config, shared)
    rows = forecast(plan, local, shared)
    on_a_cluster = bool(shared and os.environ.get("RAY_ADDRESS"))
    findings += [actors_finding(plan, local, on_a_cluster)]
    findings += [memory_finding(config, rows, plan.slots, available_bytes)]
    return ConfigurationCheck(findings, rows)


def _model_findings(config: MetaConfig, measured: Measurement) -> list[Finding]:
    findings = []
    local = measured.local
    if local is not None:
        findings.append(model_finding(config, local))
    findings += [Finding("model", note, "note") for note in measured.notes]
    if measured.layers is not None:
        findings += check_layers(config, measured.layers)
    if local is not None:
        findings.append(blocks_finding(config, local))
        inner_loop = inner_loop_finding(config)
        findings += [inner_loop] if inner_loop else []
    else:
        findings.append(
            Finding("training", measured.problem, "broken", "a run would fail the same way")
        )
    return findings


def _on_actors(
    config: MetaConfig, local: Local, num_actors: int, say: Say
) -> tuple[Shared | None, list[Finding]]:
    limit_s = config.workers.start_limit_s + _ACTORS_LIMIT_S
    try:
        shared = in_child(
            measure_on_actors,
            config,
            num_actors,
            local.block_s * local.num_blocks > LONG_STEP_S,
            say=say,
            limit_s=limit_s,
        )
    except Exception as error:
        advice = "until this is fixed, run with --workers 0"
        return None, [Finding(f"{num_actors} actors", _line(error), "broken", advice)]
    return shared, []


def _plan(config: MetaConfig, shared: Shared | None) -> Plan:
    evaluation, num_steps = config.evaluation, config.outer.steps
    per_validation = -(-evaluation.validation_tasks // config.block_size)
    slots = int(machine.num_cores() / config.workers.cpus)
    if shared and os.environ.get("RAY_ADDRESS"):
        slots = shared.slots
    return Plan(
        num_tasks=config.outer.meta_batch_size,
        num_steps=num_steps,
        num_validations=-(-num_steps // evaluation.every),
        validation_blocks=len(recipes(config)) * per_validation,
        test_blocks=-(-evaluation.tasks // config.block_size),
        slots=max(1, slots),
    )


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
