"""Defaults of a run by its family of tasks: the model, the method and the rates.

The schema's defaults hold for each field alone, but a rate that suits texts ruins a table. So each
family has defaults (`TaskRecord.defaults`) below the user's settings. Its inner rates and steps
are lists, from which validation tasks choose.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from orchestrator.config.kinds import Table
from workers.algorithms.algorithm import Algorithm
from workers.settings.algorithms import ALGORITHMS
from workers.settings.models import MODELS
from workers.settings.registry import record_of
from workers.settings.tasks import TASKS

Settings = Mapping[str, Any]

# The size of an outer step depends on how it is made: if the user sets any other key of [outer],
# only these keys of the family's hold.
_SIZES = ("meta_batch_size", "steps")
# Fine-tuning was never part of the baseline's training, so its rate is searched more widely.
_WIDELY = (0.1, 0.3, 1.0, 3.0, 10.0)
_LARGEST = 1e30
# The model of a backbone's features, if none is named.
_ON_FEATURES: Settings = {"kind": "mlp"}
_VALIDATIONS = 10
_MOST_STEPS_BETWEEN = 1000


def fill(table: Mapping[str, Any]) -> Table:
    """Fill the keys that `table` leaves open with the defaults of its family of tasks.

    No key that is set changes. An inner rate that is set is used as it is: rates are offered to
    validation only if neither `algorithm.inner_lr` nor `evaluation.inner_lr` is set, and for
    joint training, which has no inner rate.
    """
    table = dict(table)
    task = table.get("task")
    record = record_of(TASKS, task.get("kind")) if isinstance(task, Mapping) else None
    if not isinstance(task, Mapping) or record is None:
        return table  # the schema reports what is wrong
    family = record.default_tables(task)
    users: dict[str, Table] = {}
    for name in ("model", "algorithm", "outer", "evaluation"):
        section = _set_keys(table, name)
        if section is None:
            return table
        users[name] = section
    if not users["model"].get("kind") and not users["algorithm"].get("kind"):  # all by default
        table["task"] = {**family.get("task", {}), **table["task"]}
    if users["model"].get("kind"):  # a named kind has the schema's defaults
        table["model"] = users["model"]
    else:
        is_raw = users["model"].get("backbone") is None
        default = record.default_model(task) if is_raw else _ON_FEATURES
        table["model"] = {**default, **users["model"]}
    table["algorithm"] = _algorithm(family["algorithm"], users["algorithm"])
    table["model"] = _model(table["model"], table["algorithm"].get("kind"))
    table["outer"] = _outer(family["outer"], users["outer"])
    table["evaluation"] = _evaluation(family["evaluation"], users, table)
    return table


def describe_defaults(table: Mapping[str, Any], config: Any) -> list[str]:
    """Describe the defaults of a table that names no model or no method, as notes for the user."""
    missing = [
        name for name in ("model", "algorithm") if not (_set_keys(table, name) or {}).get("kind")
    ]
    if not missing:
        return []
    kinds = ", ".join(f"{name}.kind = {getattr(config, name).kind!r}" for name in missing)
    rates = config.evaluation.inner_lr
    own = "" if config.algorithm.closed_form else f", inner_lr = {config.algorithm.inner_lr:g}"
    offered = f"; inner rates offered to validation: {', '.join(f'{r:g}' for r in rates)}"
    return [
        f"defaults of task.kind = {config.task.kind!r}: {kinds}{own}, {config.outer.steps} outer "
        f"steps of {config.outer.meta_batch_size} tasks{offered if rates else ''}"
    ]


def _set_keys(table: Mapping[str, Any], name: str) -> Table | None:
    """Return the keys of a section that have a value; None if the section is no table."""
    section = table.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        return None
    return {key: value for key, value in section.items() if value is not None}


def _algorithm(family: Settings, users: Table) -> Table:
    kind = users.get("kind", family["kind"])
    schema = record_of(ALGORITHMS, kind)
    if schema is None:
        return users
    base = dict(family)
    if users.get("kind"):  # of the family's other keys only the rates apply to another method
        keys = {"inner_lr", "inner_steps"} & schema.model_fields.keys() - schema.never_kept.keys()
        keys -= {"inner_steps"} if schema.several_steps else set()
        keys -= {"inner_lr"} if schema.rates else set()
        base = {key: family[key] for key in family if key in keys}
    if "inner_lr" in users or users.get("inner_optimizer") == "adam":
        base = {key: value for key, value in base.items() if key not in ("inner_lr", "inner_steps")}
    return {**base, **users, "kind": kind}


def _model(users: Table, algorithm: Any) -> Table:
    """Choose the statistics of batch normalization, if the method does not take all of them."""
    schema, record = record_of(ALGORITHMS, algorithm), record_of(MODELS, users.get("kind"))
    if schema is None or record is None or not schema.statistics:
        return users
    field = record.model_fields.get("normalization")
    default = field.default if field else getattr(record, "normalization", "batch")
    if users.get("normalization", default) != "batch":
        return users
    return {"statistics": schema.statistics[0], **users}


def _outer(family: Settings, users: Table) -> Table:
    if users.keys() - set(_SIZES):
        family = {key: family[key] for key in _SIZES}
    return {**family, **users}


def _evaluation(family: Settings, users: Mapping[str, Any], filled: Table) -> Table:
    algorithm = filled["algorithm"]
    offered = dict(family)
    rates = offered.pop("inner_lr")
    trained = algorithm.get("inner_steps", 1)
    steps = {*family["inner_steps"], *([trained] if type(trained) is int else [])}
    offered["inner_steps"] = sorted(steps)
    outer_steps = filled["outer"]["steps"]
    if isinstance(outer_steps, int) and outer_steps > 0:
        offered["every"] = max(1, min(_MOST_STEPS_BETWEEN, outer_steps // _VALIDATIONS))
    evaluation = {**offered, **users["evaluation"]}
    rate = algorithm.get("inner_lr")
    is_number = type(rate) in (int, float) and 0 < rate < _LARGEST
    schema = record_of(ALGORITHMS, algorithm["kind"]) or Algorithm
    if schema.closed_form:
        usual = schema.steps_to_evaluate(algorithm)
        return {**evaluation, "inner_steps": users["evaluation"].get("inner_steps", usual)}
    if schema.fine_tunes and not evaluation.get("inner_lr") and is_number:
        evaluation["inner_lr"] = [float(f"{rate * factor:.6g}") for factor in _WIDELY]
    elif "inner_lr" not in users["algorithm"] and (
        schema.rates or _shares_rates(schema, algorithm)
    ):
        evaluation.setdefault("inner_lr", list(schema.rates) or rates)
    return evaluation


def _shares_rates(schema: type[Algorithm], table: Settings) -> bool:
    """Return whether inner rates of other methods suit it."""
    if "inner_lr" in schema.never_kept:
        return False
    try:
        return not schema.model_validate(table).learned_rates
    except ValidationError:  # which is reported later
        return True
