"""Fault isolation: find the task of a block that fails, by running the tasks one by one."""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from workers.wire.errors import NonFiniteError, TaskError
from workers.wire.protocol import Array, Block, Contribution, Vector, Weights, take

#: A block's outer gradients, next carries and metrics, each summed over its tasks.
Sums = tuple[Vector, Vector, dict[str, Array]]


def split(block: Block) -> Iterator[Block]:
    """Yield the tasks of a block, each as a block of its own."""
    for task in range(block.lo, block.hi):
        specs = take(block.specs, task - block.lo, task - block.lo + 1)
        yield replace(block, lo=task, hi=task + 1, specs=specs)


def sum_finite(
    sums_of: Callable[[Weights, Block], Sums], weights: Weights, block: Block, skip: bool
) -> Contribution:
    """Sum over the tasks of a training block whose gradient and carry are finite.

    Args:
      sums_of: computes the sums over a block.
      skip: leave the other tasks out, instead of raising.
    Raises:
      NonFiniteError: theta is not finite, or a task is not and `skip` is False; names the task.
    """
    if not np.isfinite(weights.theta).all():
        raise NonFiniteError(f"the weights are not finite at step {block.step}")
    gradient, carry = np.zeros_like(weights.theta), np.zeros_like(weights.carry)
    total: dict[str, Array] = {}
    finite = 0
    for single in split(block):
        task_gradient, task_carry, metrics = sums_of(weights, single)
        is_finite = np.isfinite(task_gradient).all() and np.isfinite(task_carry).all()
        if not is_finite and not skip:
            losses = ", ".join(f"{name} {float(value):g}" for name, value in metrics.items())
            raise NonFiniteError(
                f"step {block.step}, task {single.lo}: gradient not finite ({losses}); lower "
                "algorithm.inner_lr, fix the model, or leave such tasks out: "
                "runtime.non_finite=skip"
            )
        finite += bool(is_finite)
        if is_finite:
            with np.errstate(over="ignore", invalid="ignore"):
                gradient, carry = gradient + task_gradient, carry + task_carry
        for name, value in metrics.items():
            value = np.asarray(value) if is_finite else np.zeros_like(value)
            total[name] = np.add(total[name], value) if name in total else value
    if (finite == block.hi - block.lo and not skip) or not np.isfinite(gradient).all():
        raise NonFiniteError(
            f"step {block.step}, tasks {block.lo} to {block.hi - 1}: their sum is not finite, but "
            "each of them is"
        )
    return Contribution(
        index=block.index,
        num_tasks=finite,
        gradient=gradient,
        carry=carry,
        metrics=total,
        seconds=0.0,
        num_skipped=block.hi - block.lo - finite,
    )


def isolate_failing_task(
    run: Callable[[Weights, Block], Any],
    weights: Weights,
    block: Block,
    error: Exception,
    seed: int,
) -> TaskError:
    """Make an error that names the first task that raises alone, or all tasks if none does.

    Args:
      run: runs a block.
      error: what it raised on `block`.
      seed: of the run.
    """
    failing = block
    for single in split(block):
        try:
            run(weights, single)
        except NonFiniteError:
            continue
        except Exception as alone:
            failing, error = single, alone
            break
    last = failing.hi - 1
    tasks = f"task {last}" if failing.lo == last else f"tasks {failing.lo} to {last} together"
    specs = ", ".join(f"{name} {_short(values)}" for name, values in failing.specs.items())
    where = {"train": f"step {failing.step}, {tasks}", "evaluate": f"held-out {tasks}"}
    return task_error(
        f"{where.get(failing.kind, tasks)}: ",
        error,
        f" (spec: {specs}; seed: {seed}; kind: {failing.kind})",
    )


def task_error(before: str, error: Exception, after: str = "") -> TaskError:
    """Make an error with one line on what a user's code raised, and its traceback below.

    The traceback leaves out frames in installed packages.

    Args:
      before: text of the line before the exception.
      after: text of the line after it.
    """
    line = f"{before}{type(error).__name__}: {_main_line(error)}{after}"
    return TaskError("\n".join([line, *_trace(error)]))


def _main_line(error: Exception) -> str:
    """Find the line of a message that says what happened; TensorFlow puts it after a long list."""
    lines = [line for line in str(error).splitlines() if line.strip()] or [_place(error)]
    if lines[0].startswith("Graph execution error"):
        lines = [line for line in lines if "[[{{node" not in line][-1:]
    return lines[0].strip()


def _place(error: Exception) -> str:
    """Locate where an error without a message was raised, in the user's code if possible."""
    stack = list(traceback.extract_tb(error.__traceback__))
    frames = [frame for frame in stack if "site-packages" not in frame.filename] or stack
    if not frames:
        return "without a message"
    last = frames[-1]
    return f"at {Path(last.filename).name}, line {last.lineno}: {last.line or last.name}"


def _trace(error: Exception) -> list[str]:
    """List the traceback's lines without blank ones and frames in installed packages; may be []."""
    lines, in_package = [], False
    for line in "".join(traceback.format_exception(error, chain=False)).splitlines():
        if line.startswith('  File "'):
            in_package = "site-packages" in line
        elif not line.startswith("    "):
            in_package = False
        if line.strip() and not in_package:
            lines.append(line)
    if any(line.startswith('  File "') for line in lines):
        return lines
    message = traceback.format_exception_only(error)[0].splitlines()
    return message if len(message) > 1 else []


def _short(values: Array) -> str:
    text = np.array2string(np.asarray(values), precision=8, threshold=20, separator=", ")
    return " ".join(text.split())
