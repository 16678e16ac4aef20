"""Looks at a configuration: builds it, measures it, and forecasts a run of it."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.config.schema import MetaConfig
from orchestrator.doctor import findings as judge
from orchestrator.doctor import machine
from orchestrator.doctor.child import in_child
from orchestrator.doctor.derivative import judge_layers
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.forecast import Plan, Row, forecast
from orchestrator.doctor.measure import (
    LONG_STEP_S,
    Examined,
    Local,
    Shared,
    examine,
    measure_on_actors,
)
from orchestrator.evaluate import recipes
from workers.tasks.family import TaskFamily

Say = Callable[[str], None]

# Beside what actors may take to start: Ray, compiling, and the measured steps.
_ACTORS_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class Consultation:
    """All that was found of a configuration; rows: the forecast, empty if it cannot run."""

    findings: list[Finding]
    rows: list[Row] = field(default_factory=list)


def consult(config: MetaConfig, family: TaskFamily, num_actors: int, say: Say) -> Consultation:
    """Measure in one process, and on actors unless their number is 0.

    Raises:
      ValueError: a user's model cannot be had, or cannot be trained.
    """
    findings = [judge.judge_data(config, family)]
    available_bytes = machine.available_bytes()
    try:
        examined: Examined = in_child(examine, config, say=say)
    except ValueError:
        raise
    except Exception as error:
        advice = "see what it says, and metatrain train --verbose"
        return Consultation([*findings, Finding("model", _line(error), "broken", advice)])
    findings += _of_model(config, examined)
    local = examined.local
    if local is None:
        return Consultation(findings)
    shared = None
    if num_actors:
        shared, problem = _on_actors(config, local, num_actors, say)
        findings += problem
    plan = _plan(config, shared)
    rows = forecast(plan, local, shared)
    on_a_cluster = bool(shared and os.environ.get("RAY_ADDRESS"))
    findings += [judge.judge_actors(plan, local, on_a_cluster)]
    findings += [judge.judge_memory(rows, plan.slots, available_bytes)]
    return Consultation(findings, rows)


def _of_model(config: MetaConfig, examined: Examined) -> list[Finding]:
    findings = []
    local = examined.local
    if local is not None:
        findings.append(judge.judge_model(config, local))
    findings += [Finding("model", note, "note") for note in examined.notes]
    if examined.layers is not None:
        findings += judge_layers(config, examined.layers)
    if local is not None:
        findings.append(judge.judge_blocks(config, local))
    else:
        findings.append(
            Finding("training", examined.problem, "broken", "a run would end like this")
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
        advice = "until that is mended, run with --workers 0"
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
