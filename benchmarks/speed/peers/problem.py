"""The problem of every peer, in plain arrays, and the least number of its operations."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from orchestrator.config.schema import MetaConfig
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Array, Block


class Episodes(NamedTuple):
    """Tasks, stacked: inner batches [tasks, inner_steps, examples, ...], queries [tasks, ...]."""

    inner_inputs: Any
    inner_targets: Any
    query_inputs: Any
    query_targets: Any


class Problem(NamedTuple):
    """One outer step over some tasks, from `theta`: Keras' weights in Keras' order and layout.

    readout: of conv4; heads: of a transformer; lexical, semantic: of the text model; see
      `workers/settings/models.py`.
    build: makes the episodes again from their specs, as an actor does for every block.
    """

    model: Literal["conv4", "mlp", "transformer", "text"]
    algorithm: Literal["maml", "reptile", "anil", "protonet"]
    readout: str
    heads: int
    lexical: float
    semantic: float
    inner_lr: float
    inner_steps: int
    theta: Sequence[Array]
    episodes: Episodes
    build: Callable[[], Episodes]

    @property
    def num_tasks(self) -> int:
        """Number of tasks in the step."""
        return len(self.episodes.query_inputs)

    def alone(self, task: int) -> Episodes:
        """Copy one task in place of all tasks, so that the same code gives its gradient."""
        chosen = [task] * self.num_tasks
        return Episodes(*(array[chosen] for array in self.episodes))


class EpisodesOf(NamedTuple):
    """A builder of the episodes of blocks; a class, so that it pickles."""

    family: TaskFamily
    blocks: Sequence[Block]

    def __call__(self) -> Episodes:
        """Build episodes with all support examples in one inner batch, or the specs' batches."""
        names = self.blocks[0].specs
        specs = {name: np.concatenate([b.specs[name] for b in self.blocks]) for name in names}
        episode = self.family.build(specs)
        batches = specs.get("batches")
        if batches is None:
            inner = episode.support_inputs[:, None], episode.support_targets[:, None]
        else:
            tasks = np.arange(len(batches))[:, None, None]
            inner = episode.support_inputs[tasks, batches], episode.support_targets[tasks, batches]
        return Episodes(*inner, episode.query_inputs, episode.query_targets)


def make_problem(
    config: MetaConfig, family: TaskFamily, theta: Sequence[Array], blocks: Sequence[Block]
) -> Problem:
    """Make the problem that metatrain's block runner solves for `blocks`."""
    build = EpisodesOf(family, blocks)
    model, algorithm = config.model, config.algorithm
    return Problem(
        model=model.kind,
        algorithm=algorithm.kind,
        readout=getattr(model, "readout", ""),
        heads=getattr(model, "heads", 1),
        lexical=getattr(model, "lexical", 0.0),
        semantic=getattr(model, "semantic", 0.0),
        inner_lr=getattr(algorithm, "inner_lr", 0.0),
        inner_steps=getattr(algorithm, "inner_steps", 1),
        theta=theta,
        episodes=build(),
        build=build,
    )


def gflop_per_task(problem: Problem) -> float:
    """Count the GFLOP of matrix products and convolutions that one task's outer gradient needs.

    Only these count, a multiplication and an addition as two, and zeros of a convolution's padding
    as numbers; further work of a framework does not. With F for a layer's forward product over the
    examples in question, its two derivatives cost F each, and the first layer needs none for its
    inputs:

      a pass forward and back        3 F, the first layer 2 F
      differentiating that pass      6 F, the first layer 2 F

    since each of the three products, bilinear in its factors, has two derivatives; of the first
    layer only the two products with the weights are differentiated, each once. Reptile is
    inner_steps first passes; ProtoNet is one over both sets; MAML's one step is a first pass over
    the support set, one over the queries, and the derivative of the former.
    """
    if problem.model == "text":
        return 0.0  # it looks embeddings up, and multiplies hardly anything
    _, inner_steps, examples = problem.episodes.inner_inputs.shape[:3]
    queries = problem.episodes.query_inputs.shape[1]
    first, *others = _layers(problem)
    if problem.algorithm == "reptile":
        return inner_steps * examples * (2 * first + 3 * sum(others)) / 1e9
    if problem.algorithm == "protonet":
        return (examples + queries) * (2 * first + 3 * sum(others)) / 1e9
    assert inner_steps == 1
    support = 4 * first + 9 * sum(others)
    query = 2 * first + 3 * sum(others)
    return (examples * support + queries * query) / 1e9


def _layers(problem: Problem) -> list[float]:
    """Count the FLOP of each layer's products for one example, from the shapes of the kernels."""
    if problem.model == "transformer":
        length, width = problem.theta[1].shape
        kernels = [w for w in problem.theta[2:] if w.ndim == 2]
        attention = 4.0 * length * length * width * (len(kernels) // 4)
        # The embedding is a look-up, not a product.
        return [0.0, attention, *(2.0 * length * kernel.size for kernel in kernels)]
    size = problem.episodes.query_inputs.shape[2]
    flop = []
    for kernel in problem.theta:
        if kernel.ndim == 4:
            size = -(-size // 2)
            flop.append(2.0 * size * size * kernel.size)
        elif kernel.ndim == 2:
            flop.append(2.0 * kernel.size)
    return flop
