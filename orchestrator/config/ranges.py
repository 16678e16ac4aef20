"""The refusal of ranges of ways, shots and queries where a setting cannot do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.settings.algorithms import ALGORITHMS

if TYPE_CHECKING:
    from orchestrator.config.schema import MetaConfig


def check_ranges(config: MetaConfig) -> None:
    """Raise ValueError if a range is given for tasks, batches or functions that take none."""
    task, evaluation = config.task, config.evaluation
    _check_table(config)
    sizes = {f"task.{name}": getattr(task, name, None) for name in ("ways", "shots", "queries")}
    sizes |= {"evaluation.shots": evaluation.size, "evaluation.queries": evaluation.queries}
    ranges = {key: list(size) for key, size in sizes.items() if isinstance(size, tuple)}
    if not ranges:
        return
    _check_ways(config)
    key, size = next(iter(ranges.items()))
    if not task.takes_ranges:
        raise ValueError(
            f"{key} = {size}: task.kind = {task.kind!r} has no tasks of a range; give a number"
        )
    _check_batches(config)
    if ":" in getattr(task, "loss", "") or getattr(task, "metrics", {}):
        raise ValueError(
            f"{key} = {size} is a range, and a function of your own in task.loss or task.metrics "
            "would see examples that are none; use a named loss and its metrics, or give a number"
        )


def _check_table(config: MetaConfig) -> None:
    """Refuse a table by ways and shots for tasks that have none, or for a head of fixed outputs."""
    task, evaluation, kind = config.task, config.evaluation, config.algorithm.kind
    if evaluation.listed_shots and task.acts:
        raise ValueError(
            f"evaluation.shots = {list(evaluation.listed_shots)} asks for a table of test scores, "
            f"but task.kind = {task.kind!r} has episodes of a policy; give a number"
        )
    if not evaluation.ways:
        return
    ways = evaluation.ways
    key = f"evaluation.ways = {list(ways) if isinstance(ways, tuple) else ways}"
    if not hasattr(task, "ways"):
        raise ValueError(
            f"{key} asks for other numbers of classes, but task.kind = {task.kind!r} has no "
            "task.ways; unset it"
        )
    if not config.algorithm.computes_head:
        raise ValueError(
            f"{key}, but algorithm.kind = {kind!r} learns a head for a fixed number of classes; "
            f"use {computing_heads()}, or evaluation.ways = []"
        )
    if evaluation.inner_batch is not None:
        raise ValueError(
            f"{key} gives tasks another number of examples, which evaluation.inner_batch = "
            f"{evaluation.inner_batch} deals out; unset one of them"
        )


def computing_heads() -> str:
    """Name the algorithms that take any number of classes, for messages."""
    *others, last = (repr(kind) for kind, each in ALGORITHMS.items() if each.computes_head)
    return f"{', '.join(others)} or {last}"


def _check_ways(config: MetaConfig) -> None:
    """Refuse ranges of ways for a head of fixed outputs, and where all outputs are smoothed."""
    ways = getattr(config.task, "ways", None)
    if not isinstance(ways, tuple):
        return
    key = f"task.ways = {list(ways)} is a range"
    if not config.algorithm.computes_head:
        raise ValueError(
            f"{key}, but algorithm.kind = {config.algorithm.kind!r} learns a head for a fixed "
            f"number of classes; use {computing_heads()}, or give a number"
        )
    if smoothing := getattr(config.task, "label_smoothing", 0.0):
        raise ValueError(
            f"{key}, and task.label_smoothing = {smoothing:g} would spread over classes that a "
            "task lacks; unset it, or give a number"
        )


def _check_batches(config: MetaConfig) -> None:
    """Inner steps of some examples would need others in each task."""
    shots = {"algorithm": config.task.shots, "evaluation": config.evaluation.size}
    shots["evaluation"] = shots["evaluation"] or config.task.shots
    for section, size in shots.items():
        batch = getattr(getattr(config, section), "inner_batch", None)
        ways = getattr(config.task, "ways", None)
        if batch is not None and isinstance(ways, tuple):
            raise ValueError(
                f"{section}.inner_batch = {batch} deals out examples, of which task.ways = "
                f"{list(ways)} gives each task another number; unset it, or give a number"
            )
        if batch is not None and isinstance(size, tuple):
            where = "evaluation" if section == "evaluation" and config.evaluation.size else "task"
            raise ValueError(
                f"{section}.inner_batch = {batch} deals out examples, of which {where}.shots = "
                f"{list(size)} gives each task another number; unset it, or give a number"
            )
