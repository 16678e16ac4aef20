"""Many outer steps in one call, for models whose step takes less time than Python around it.

A graph loops over the steps: it calls the compiled blocks, adds their gradients in the canonical
tree, and calls the optimizer. These are the computations of single steps, so theta has the same
bits either way.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from orchestrator.outer.update import OuterUpdate
from workers.algorithms.algorithm import Algorithm
from workers.block import BlockRunner
from workers.execution.runtime import DRIVER_DEVICE
from workers.wire.protocol import Array, Block, Task
from workers.wire.tensors import tree_sum

#: A call takes about this long, so that a stop is answered and progress is shown meanwhile.
CALL_S = 0.2
#: Of fewer outer steps, single ones end sooner: tracing the loop takes the time of so many.
FEWEST_STEPS = 300
#: A call has at most so many times the steps of the one before.
_GROWTH = 4
#: A step of more blocks takes so long that nothing is gained, and its graph is large.
_MOST_BLOCKS = 8
#: Bytes of the tasks of a call.
_MOST_BYTES = 2**26


@dataclass(frozen=True, eq=False)
class StepsDone:
    """The result of a call.

    first: the first step, from 0.
    metrics: of each step that was done, means over its tasks.
    seconds: wall-clock time of a step, the mean over the call.
    """

    first: int
    metrics: list[dict[str, float]]
    seconds: float


@dataclass(frozen=True, eq=False)
class _BuiltSteps:
    """The tasks of consecutive steps: for each block of a step, arrays [steps, tasks, ...]."""

    first: int
    number: int
    tasks: list[Task]

    @property
    def num_tasks(self) -> int:
        """The tasks of a step."""
        return sum(tasks.support_inputs.shape[1] for tasks in self.tasks)


class _StepsGraph(NamedTuple):
    """A compiled loop over steps.

    run: the graph, see `ManySteps._make_graph`.
    names: of the metrics of each block of a step.
    """

    run: Any
    names: list[list[str]]


def many_steps(
    runner: BlockRunner | None,
    outer: OuterUpdate,
    sample: Callable[[int], Sequence[Block]],
    sampler: Executor,
    due: Callable[[int], int],
    last: int,
) -> "NoCalls":
    """Make what runs many steps by the call, where the runner and the outer update allow it.

    Args:
      runner: of the blocks in this process; None if they run elsewhere.
      sample: draws the blocks of a step.
      sampler: builds the tasks of the next call while one runs.
      due: given the number of steps done, returns how many more may follow before the driver has
        something else to do, such as a validation.
      last: outer steps of the run.
    """
    if runner is None or not runner.has_block_graphs or not outer.fits_a_graph:
        return NoCalls()
    if last < FEWEST_STEPS:
        return NoCalls()
    return ManySteps(runner, outer, sample, sampler, due, last)


class NoCalls:
    """Makes no call: the driver runs each step by itself."""

    def run(self, first: int) -> StepsDone | None:
        """Run some steps from `first` on, or none."""
        return None


class ManySteps(NoCalls):
    """Runs many outer steps by the call, the first by itself: it compiles, and has no known time.

    See `many_steps`. All steps of a call have the same algorithm, see `Algorithm.at`. A step with a
    value that is not finite changes nothing and ends the call, and a call whose tasks cannot be
    built is not made. The driver then runs single steps, and so learns which task is at fault.
    """

    def __init__(
        self,
        runner: BlockRunner,
        outer: OuterUpdate,
        sample: Callable[[int], Sequence[Block]],
        sampler: Executor,
        due: Callable[[int], int],
        last: int,
    ):
        self._runner, self._outer, self._due, self._last = runner, outer, due, last
        self._sample, self._sampler = sample, sampler
        self._ahead: tuple[int, Future[_BuiltSteps]] | None = None
        self._most, self._room, self._single = 1, 1, -1
        self._graphs: dict[Algorithm, _StepsGraph] = {}
        self._shapes: list[tuple[int, ...]] = []

    def run(self, first: int) -> StepsDone | None:
        """Run the steps from `first` on that one call may have.

        Returns:
          None if the next step is to be run by itself. Otherwise the outer update is that of the
          last step done.
        """
        try:
            built = self._built(first)
            if built is None:
                return None
            algorithm = self._runner.training.algorithm_at(first)
            compiles = algorithm not in self._graphs
            if compiles:
                self._graphs[algorithm], self._most = self._make_graph(built), 1
            graph = self._graphs[algorithm]
        except Exception:  # a task that cannot be built is reported by its own step
            self._ahead, self._room = None, 0
            return None
        self._ahead = self._build_ahead(first + built.number)
        started = time.perf_counter()
        with tf.device(DRIVER_DEVICE):
            arrays = [tf.constant(array) for tasks in built.tasks for array in tasks]
            carry = tf.constant(self._outer.weights.carry)
            steps = tf.constant(first), tf.constant(built.number)
            done, theta, carry, metrics = graph.run(*steps, carry, *arrays)
        number = int(done)
        if number < built.number:
            self._single, self._ahead = first + number, None
        if not number:
            return None
        self._outer.adopt(theta.numpy(), carry.numpy())
        seconds = (time.perf_counter() - started) / number
        if not compiles:
            self._most = min(_GROWTH * number, max(1, int(CALL_S / seconds)))
        rows = _by_step(metrics.numpy()[:number], graph.names, built.num_tasks)
        return StepsDone(first, rows, seconds)

    def _number(self, first: int) -> int:
        """Return how many steps a call from `first` on may have; 0: the step is to be single."""
        if self._single == first:
            return 0
        training = self._runner.training
        most = self._most if training.algorithm_at(first) in self._graphs else 1
        alike = training.steps_alike(first)
        return int(min(most, self._room, self._due(first), self._last - first, alike))

    def _built(self, first: int) -> _BuiltSteps | None:
        if self._ahead is not None and self._ahead[0] == first:
            return self._ahead[1].result()
        number = self._number(first)
        return self._build(first, number) if number else None

    def _build_ahead(self, first: int) -> tuple[int, Future[_BuiltSteps]] | None:
        number = self._number(first)
        if not number:
            return None
        return first, self._sampler.submit(self._build, first, number)

    def _build(self, first: int, number: int) -> _BuiltSteps:
        steps = [self._sample(step) for step in range(first, first + number)]
        by_block = [
            [self._runner.build(block) for block in same] for same in zip(*steps, strict=True)
        ]
        stacked = [Task(*map(np.stack, zip(*tasks, strict=True))) for tasks in by_block]
        shapes = [array.shape[1:] for tasks in stacked for array in tasks]
        if shapes != (self._shapes or shapes):
            raise ValueError("steps whose tasks have other shapes need another graph")
        if not self._shapes:
            size = sum(array.nbytes for tasks in stacked for array in tasks)
            self._room = _MOST_BYTES // size
            if len(by_block) > _MOST_BLOCKS or not self._room:
                raise ValueError("a step that is too large for a call")
        self._shapes = shapes
        return _BuiltSteps(first, number, stacked)

    def _make_graph(self, built: _BuiltSteps) -> _StepsGraph:
        """Make the graph of (first step, number of steps, carry, arrays of the tasks).

        It returns the number of steps done, theta, the carry, and the metrics' sums over blocks.
        """
        firsts = [Task(*(tf.constant(array[0]) for array in tasks)) for tasks in built.tasks]
        training = self._runner.training
        block_graphs = [training.graph_of(built.first, tasks) for tasks in firsts]
        names = [graph.metrics for graph in block_graphs]
        num_metrics = sum(map(len, names))
        share = tf.constant(np.float32(1 / built.num_tasks))
        outer, width = self._outer, len(Task._fields)
        update = outer.update_for_graphs()

        def steps(first: tf.Tensor, number: tf.Tensor, carry: tf.Tensor, *arrays: tf.Tensor) -> Any:
            stacks = [arrays[i : i + width] for i in range(0, len(arrays), width)]

            def sums_of(theta: tf.Tensor, carry: tf.Tensor, index: tf.Tensor) -> Any:
                step = first + index if training.uses_step else tf.constant(0)
                return [
                    graph(theta, carry, step, Task(*(array[index] for array in stack)))
                    for graph, stack in zip(block_graphs, stacks, strict=True)
                ]

            def body(index: Any, going: Any, theta: Any, carry: Any, rows: Any) -> Any:
                by_block = sums_of(theta, carry, index)
                gradient = tree_sum([sums[0] for sums in by_block], tf.add)
                carries = tree_sum([sums[1] for sums in by_block], tf.add)
                row = tf.stack([value for sums in by_block for value in sums[2]])
                total = sum(map(tf.reduce_sum, (theta, gradient, carries)))
                finite = tf.math.is_finite(total)
                theta, carry = tf.cond(
                    finite,
                    lambda: (update(gradient * share), carries * share),
                    lambda: (theta, carry),
                )
                after = index + tf.cast(finite, tf.int32)
                return after, finite, theta, carry, rows.write(index, row)

            start = (
                tf.constant(0),
                tf.constant(True),
                outer.theta_in_graph(),
                carry,
                tf.TensorArray(tf.float32, number, element_shape=(num_metrics,)),
            )
            done, _, theta, carry, rows = tf.while_loop(
                lambda index, going, *_: going & (index < number),
                body,
                start,
                parallel_iterations=1,
            )
            return done, theta, carry, rows.stack()

        scalar = tf.TensorSpec((), tf.int32)
        specs = [
            tf.TensorSpec((None, *array.shape[1:]), array.dtype)
            for tasks in built.tasks
            for array in tasks
        ]
        carry = tf.TensorSpec(outer.weights.carry.shape, tf.float32)
        function = tf.function(steps, autograph=False)
        return _StepsGraph(function.get_concrete_function(scalar, scalar, carry, *specs), names)


def _by_step(sums: Array, names: Sequence[Sequence[str]], num_tasks: int) -> list[dict[str, float]]:
    """Turn sums over the tasks of blocks, float32 [steps, all metrics], into means.

    Args:
      names: of the metrics of each block.
    """
    columns = iter(sums.astype(np.float64).T)
    blocks = [{name: next(columns) for name in of_block} for of_block in names]
    means = {
        name: (tree_sum([block[name] for block in blocks], np.add) / num_tasks).tolist()
        for name in names[0]
    }
    return [dict(zip(means, row, strict=True)) for row in zip(*means.values(), strict=True)]
