"""The values that cross the wire between the driver and its actors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
Kind = Literal["train", "evaluate", "predict", "adapt"]
#: A round of an outer update over a step's tasks: "first", outer gradients; see `policies.rounds`.
RoundName = Literal["first", "line_search", "fisher_vector", "ppo"]
Array = NDArray[np.generic]
Vector = NDArray[np.float32]
#: Tasks before they are built: name -> array [tasks, ...]. Small, and enough to build the tasks.
Specs = Mapping[str, Array]

#: The names of what `Recipe.outputs_after` adds to the metrics of a block; no metric has a space.
OUTPUTS, TARGETS = "query outputs", "query targets"

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
    ("sizes", "train"): 12,
    ("sizes", "validation"): 13,
    ("sizes", "test"): 14,
    ("tokens", "train"): 15,
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
        """Make the generator of task `index` (families that draw a whole step at once use 0)."""
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
    """The arguments of a block's graph: an episode, its batches and seeds.

    batches: int32 [tasks, batches, examples], which support examples each inner step sees, in
      turn, and again from the first; [tasks, 0, 0]: every step sees all.
    seed: int32 [tasks, 2], of the model's random layers.
    """

    support_inputs: Any
    support_targets: Any
    query_inputs: Any
    query_targets: Any
    batches: Any
    seed: Any


class Weights(NamedTuple):
    """The weights that the blocks of an outer step start from.

    theta: float32 [parameters], all meta-learned parameters.
    carry: float32 [carry], what else passes from step to step, such as running statistics; the
      next carry is the mean of the tasks' carries.
    step: outer steps done.
    now: theta at which a later round is computed; None in the first round.
    argument: of that round, see `policies.rounds`.
    """

    theta: Vector
    carry: Vector
    step: int
    now: Vector | None = None
    argument: Vector | None = None


class Adapted(NamedTuple):
    """The result of adaptation, flat: all weights of the model, and its running statistics."""

    theta: Array
    statistics: Array


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a held-out task is adapted.

    inner_lr: step size, > 0.
    inner_steps: >= 0; metrics are recorded after 0, 1, ... inner_steps steps.
    later_lr: factor of inner_lr after the first inner step; for policies only.
    shots: episodes that each inner step learns from; None: as in training; for policies only.
    queries: episodes to evaluate on, likewise.
    statistics: of batch normalization for queries, see `Objective`; None: the model's setting.
    padded: whether tasks may have fewer examples than their arrays, see `Objective`.
    ways: outputs of the head, for algorithms that compute it; None: those of the family.
    outputs_after: inner steps after which "evaluate" also returns the outputs for queries, as
      `OUTPUTS` [tasks, these steps, queries, ..], and the `TARGETS`; of losses that have sets or
      intervals.
    on_support: whether the support set takes the place of the queries.
    """

    inner_lr: float
    inner_steps: int
    later_lr: float = 1.0
    shots: int | None = None
    queries: int | None = None
    statistics: Literal["batch", "support"] | None = None
    padded: bool = False
    ways: int | None = None
    outputs_after: tuple[int, ...] = ()
    on_support: bool = False


@dataclass(frozen=True, eq=False)  # with slots it would take twice as long to pickle
class Block:
    """Tasks [lo, hi) of a step: the unit of dispatch, of retry and of summation.

    kind: "train" sums outer gradients; "evaluate" returns metrics per task and inner step;
      "predict" returns the model's outputs on the query set per task and inner step; "adapt"
      returns what each task was adapted to, the arrays of `Adapted` with a task axis.
    index: the block's leaf in the tree by which a step is summed.
    round: of the outer update, in training.
    phase: of the algorithm, in training: how often it changed up to this step, see `Algorithm.at`.
    """

    kind: Kind
    step: int
    index: int
    lo: int
    hi: int
    specs: Specs
    recipe: Recipe | None = None
    round: RoundName = "first"
    phase: int = 0


@dataclass(frozen=True, eq=False)  # with slots it would take twice as long to pickle
class Contribution:
    """The result of a block, or of `num_blocks` neighbours from block `index` on.

    num_tasks: tasks in the sums.
    gradient: float32 [parameters], the sum of the tasks' outer gradients (empty unless "train").
    carry: float32 [carry], the sum of the tasks' final carries; likewise.
    metrics: name -> a sum over the block's tasks ("train"), or [tasks, inner_steps + 1, ...].
    seconds: run time on the machine that ran it.
    num_skipped: tasks that were left out, see `RuntimeSettings.non_finite`.
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
    """The place where an actor runs. node: Ray's id of the machine."""

    host: str
    pid: int
    node: str

    def __str__(self) -> str:
        return f"{self.host} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Built:
    """The answer of an actor that is ready.

    fingerprint: see `workers.execution.fingerprint`.
    seconds: run time of each example block without compiling, in the given order; fewer if one
      failed.
    """

    fingerprint: dict[str, Any]
    seconds: list[float]


def take(specs: Specs, lo: int, hi: int) -> dict[str, Array]:
    """Take tasks [lo, hi) of `specs`."""
    return {name: values[lo:hi] for name, values in specs.items()}
