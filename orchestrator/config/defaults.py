"""What a run has that does not say: the model, the method and the rates of its family of tasks.

The schema's defaults are of a field by itself; a rate that suits texts ruins a table. So each
family has defaults (`TaskRecord.defaults`), which lie below what the user says. Inner rates and
steps are lists there, from which validation tasks choose.
"""

from collections.abc import Mapping
from typing import Any

from orchestrator.config.kinds import Table
from workers.algorithms.algorithm import Algorithm
from workers.settings.algorithms import ALGORITHMS
from workers.settings.registry import record_of
from workers.settings.tasks import TASKS

Settings = Mapping[str, Any]

# How long an outer step is belongs to how it is made, and an inner rate to a number of steps: of
# these keys the family's are taken together, or none.
_SIZES = ("meta_batch_size", "steps")
# The baseline's fine-tuning was never part of training, so its rate is searched more widely.
_WIDELY = (0.1, 0.3, 1.0, 3.0, 10.0)
_LARGEST = 1e30
_VALIDATIONS = 10
_MOST_STEPS_BETWEEN = 1000


def fill(table: Mapping[str, Any]) -> Table:
    """`table` with the family's defaults for what it leaves open; the same table if that is none.

    Nothing that is given is changed. A given inner rate is used as it is: rates are offered to
    validation only where neither `algorithm.inner_lr` nor `evaluation.inner_lr` is given, and for
    joint training, which has no inner rate.
    """
    table = dict(table)
    task = table.get("task")
    record = record_of(TASKS, task.get("kind")) if isinstance(task, Mapping) else None
    if not isinstance(task, Mapping) or record is None:
        return table  # the schema says what is wrong
    family = record.default_tables(task)
    given: dict[str, Table] = {}
    for name in ("model", "algorithm", "outer", "evaluation"):
        section = _given(table, name)
        if section is None:
            return table
        given[name] = section
    if not given["model"].get("kind") and not given["algorithm"].get("kind"):  # all by default
        table["task"] = {**family.get("task", {}), **table["task"]}
    if given["model"].get("kind"):  # who names a kind knows what it needs: the schema's defaults
        table["model"] = given["model"]
    else:
        table["model"] = {**record.default_model(task), **given["model"]}
    table["algorithm"] = _algorithm(family["algorithm"], given["algorithm"])
    table["outer"] = _outer(family["outer"], given["outer"])
    table["evaluation"] = _evaluation(family["evaluation"], given, table)
    return table


def told_defaults(given: Mapping[str, Any], config: Any) -> list[str]:
    """What was chosen for a table that names no model or no method, as notes for the user."""
    missing = [
        name for name in ("model", "algorithm") if not (_given(given, name) or {}).get("kind")
    ]
    if not missing:
        return []
    kinds = ", ".join(f"{name}.kind = {getattr(config, name).kind!r}" for name in missing)
    rates = config.evaluation.inner_lr
    offered = f"; inner rates offered to validation: {', '.join(f'{r:g}' for r in rates)}"
    return [
        f"defaults of task.kind = {config.task.kind!r}: {kinds}, inner_lr = "
        f"{config.algorithm.inner_lr:g}, {config.outer.steps} outer steps of "
        f"{config.outer.meta_batch_size} tasks{offered if rates else ''}"
    ]


def _given(table: Mapping[str, Any], section: str) -> Table | None:
    """The keys of a section that have a value; None if it is no table."""
    found = table.get(section)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        return None
    return {key: value for key, value in found.items() if value is not None}


def _algorithm(family: Settings, given: Table) -> Table:
    kind = given.get("kind", family["kind"])
    schema = record_of(ALGORITHMS, kind)
    if schema is None:
        return given
    base = dict(family)
    if given.get("kind"):  # what else the family's method has is not asked for
        keys = ("inner_lr",) if schema.several_steps else ("inner_lr", "inner_steps")
        base = {key: family[key] for key in keys if key in schema.model_fields}
    if "inner_lr" in given or given.get("inner_optimizer") == "adam":
        base = {key: value for key, value in base.items() if key not in ("inner_lr", "inner_steps")}
    return {**base, **given, "kind": kind}


def _outer(family: Settings, given: Table) -> Table:
    if given.keys() - set(_SIZES):
        family = {key: family[key] for key in _SIZES}
    return {**family, **given}


def _evaluation(family: Settings, given: Mapping[str, Any], filled: Table) -> Table:
    algorithm = filled["algorithm"]
    offered = dict(family)
    rates = offered.pop("inner_lr")
    trained = algorithm.get("inner_steps", 1)
    steps = {*family["inner_steps"], *([trained] if type(trained) is int else [])}
    offered["inner_steps"] = sorted(steps)
    outer_steps = filled["outer"]["steps"]
    if isinstance(outer_steps, int) and outer_steps > 0:
        offered["every"] = max(1, min(_MOST_STEPS_BETWEEN, outer_steps // _VALIDATIONS))
    evaluation = {**offered, **given["evaluation"]}
    rate = algorithm.get("inner_lr")
    is_number = type(rate) in (int, float) and 0 < rate < _LARGEST
    schema = record_of(ALGORITHMS, algorithm["kind"]) or Algorithm
    if schema.fine_tunes and not evaluation.get("inner_lr") and is_number:
        evaluation["inner_lr"] = [float(f"{rate * factor:.6g}") for factor in _WIDELY]
    elif "inner_lr" not in given["algorithm"] and not schema.learns_rates:
        evaluation.setdefault("inner_lr", rates)
    return evaluation
