"""The values that cross the wire between the driver and its actors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
Kind = Literal["train", "evaluate", "predict", "adapt"]
#: What an outer update asks of a step's tasks: outer gradients, or more; see `policies.rounds`.
RoundName = Literal["first", "line", "fisher", "clipped"]
Array = NDArray[np.generic]
Vector = NDArray[np.float32]
#: Tasks, not yet built: name -> array [tasks, ...]. Small enough to send, whole enough to rebuild.
Specs = Mapping[str, Array]

_STREAMS: dict[tuple[str, str], int] = {
    ("tasks", "train"): 0,
    ("tasks", "validation"): 1,
    ("tasks", "test"): 2,
    ("batches", "train"): 3,
    ("batches", "validation"): 4,
    ("batches", "test"): 5,
    ("layers", "train"): 6,
    ("layers", "validation"): 7,
    ("layers", "test"): 8,
    ("rollouts", "train"): 9,
    ("rollouts", "validation"): 10,
    ("rollouts", "test"): 11,
}


@dataclass(frozen=True, slots=True)
class Draw:
    """The random stream of the tasks of one outer step: a function of these three, never a state.

    Philox is counter-based, so every (seed, stream, step, task index) owns 2**64 numbers of its
    own and nothing has to be drawn in order.
    """

    seed: int
    split: Split
    step: int

    def generator(self, index: int = 0, stream: str = "tasks") -> np.random.Generator:
        """The generator of task `index` (a family that draws whole steps in rows uses index 0)."""
        key = np.array([self.seed, _STREAMS[stream, self.split]], np.uint64)
        counter = np.array([0, 0, index, self.step], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))


class Episode(NamedTuple):
    """Built tasks, stacked over a leading task axis: both sets [tasks, examples, ...]."""

    support_inputs: Array
    support_targets: Array
    query_inputs: Array
    query_targets: Array


class Task(NamedTuple):
    """What a block's graph maps over: an episode, and how it is gone through.

    batches: int32 [tasks, batches, examples], which support examples each inner step sees, batch
    after batch and round again; [tasks, 0, 0]: every step sees all.
    seed: int32 [tasks, 2], of the model's random layers.
    """

    support_inputs: Any
    support_targets: Any
    query_inputs: Any
    query_targets: Any
    batches: Any
    seed: Any


class Weights(NamedTuple):
    """What the blocks of an outer step start from.

    theta: float32 [parameters], all that is meta-learned. carry: float32 [carry], what passes from
    step to step beside it, such as running statistics; the next carry is the mean over tasks of
    theirs. step: outer steps done. now, argument: of a later round, theta where it is looked at,
    and what is asked there.
    """

    theta: Vector
    carry: Vector
    step: int
    now: Vector | None = None
    argument: Vector | None = None


class Adapted(NamedTuple):
    """What a task was adapted to, flat: all weights of the model, and its running statistics."""

    theta: Array
    statistics: Array


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a task is adapted when it is evaluated.

    inner_lr: step size, > 0. inner_steps: steps whose metrics are recorded, 0 .. inner_steps.
    later_lr: what it is multiplied by after the first inner step. shots, queries: episodes to learn
    from at each inner step, and to judge by; None: as in training. These are of policies alone.
    statistics: of batch normalization for queries, see `Objective`; None: the model's own.
    """

    inner_lr: float
    inner_steps: int
    later_lr: float = 1.0
    shots: int | None = None
    queries: int | None = None
    statistics: Literal["batch", "support"] | None = None


@dataclass(frozen=True, eq=False)  # with slots it would take twice as long to pickle
class Block:
    """Tasks [lo, hi) of a step: the unit of dispatch, of retry and of summation.

    kind: "train" sums outer gradients; "evaluate" returns metrics per task and inner step;
    "predict" returns the model's outputs on the query set per task and inner step; "adapt"
    returns what each task was adapted to, [tasks, ...] of what `Adapted` has.
    index: the block's leaf in the tree by which a step is summed. round: of training.
    """

    kind: Kind
    step: int
    index: int
    lo: int
    hi: int
    specs: Specs
    recipe: Recipe | None = None
    round: RoundName = "first"


@dataclass(frozen=True, eq=False)  # with slots it would take twice as long to pickle
class Contribution:
    """What a block, or `num_blocks` neighbours from block `index` on, give back.

    gradient: float32 [parameters], the sum of the block's outer gradients (empty unless "train").
    carry: float32 [carry], the sum of the carries that its tasks ended with; likewise.
    metrics: name -> a sum over the block's tasks ("train"), or [tasks, inner_steps + 1, ...].
    seconds: how long that took where it ran.
    num_tasks: tasks in the sums. num_skipped: those left out, see `RuntimeSettings.non_finite`.
    """

    index: int
    num_tasks: int
    gradient: Vector
    carry: Vector
    metrics: dict[str, Array]
    seconds: float
    num_blocks: int = 1
    num_skipped: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where an actor is. node: Ray's id of the machine."""

    host: str
    pid: int
    node: str

    def __str__(self) -> str:
        return f"{self.host} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Built:
    """What an actor says once it is ready.

    fingerprint: see `workers.execution.runtime.fingerprint`. seconds: of each example block that
    it ran without compiling, in the order in which they were given; fewer, if one could not be
    run.
    """

    fingerprint: dict[str, Any]
    seconds: list[float]


def take(specs: Specs, lo: int, hi: int) -> dict[str, Array]:
    """Tasks [lo, hi) of `specs`."""
    return {name: values[lo:hi] for name, values in specs.items()}
