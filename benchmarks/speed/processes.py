"""Processes that work in turn: each is pinned to its cores, works on request, and waits."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple


class Work(NamedTuple):
    """The work of a process.

    step: function that is called repeatedly.
    amount: tasks (or GFLOP) of a step.
    answer: sent once to the starting process, when all is compiled.
    """

    step: Callable[[], Any]
    amount: float
    answer: Any = None


class Team:
    """Processes that work at the same time, one for each of `arguments`.

    Args:
      make: a function of this module or another, called in each process with its arguments;
        returns the process's `Work`. It imports what it needs, after the process is pinned.
      cores: for each process, the cores that it may use; None: all.
    Attributes:
      answers: those of the processes, in order.
    Raises:
      RuntimeError: a process failed; carries its traceback.
    """

    def __init__(
        self,
        make: Callable[..., Work],
        arguments: Sequence[tuple[Any, ...]],
        cores: Sequence[set[int]] | None = None,
    ):
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for index, make_arguments in enumerate(arguments):
            pipe, child_pipe = context.Pipe()
            chosen = cores[index] if cores else None
            process = context.Process(
                target=_serve, args=(child_pipe, chosen, make, make_arguments), daemon=True
            )
            process.start()
            child_pipe.close()  # so that the pipe ends with the process
            self._pipes.append(pipe)
            self._processes.append(process)
        self.answers = self._receive()

    def rate(self, steps: int) -> float:
        """Return the amount per second of all processes together, over `steps` of each."""
        for pipe in self._pipes:
            pipe.send(steps)
        return sum(self._receive())

    def close(self) -> None:
        """End the processes."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            if process.is_alive():
                pipe.send(0)
        for process in self._processes:
            process.join()

    def _receive(self) -> list[Any]:
        """Receive the next value of each process; end all processes if one failed."""
        received = []
        for pipe in self._pipes:
            try:
                done, value = pipe.recv()
            except EOFError:
                done, value = False, "a process ended without an answer"
            if not done:
                for process in self._processes:
                    process.terminate()
                raise RuntimeError(value)
            received.append(value)
        return received


def cores() -> list[int]:
    """List the cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def _serve(
    pipe: Connection, chosen: set[int] | None, make: Callable[..., Work], arguments: tuple[Any, ...]
) -> None:
    """For each number received, do that many steps and send the rate; end at 0."""
    try:
        if chosen:
            os.sched_setaffinity(0, chosen)
        work = make(*arguments)
        pipe.send((True, work.answer))
        while steps := pipe.recv():
            started = time.perf_counter()
            for _ in range(steps):
                work.step()
            pipe.send((True, steps * work.amount / (time.perf_counter() - started)))
    except Exception:
        pipe.send((False, traceback.format_exc()))
