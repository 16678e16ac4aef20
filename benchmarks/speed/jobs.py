"""The jobs of `inner_loop.py`."""

from typing import NamedTuple


class Job(NamedTuple):
    """A computation: a preset with overrides, on a number of single-core processes."""

    title: str
    preset: str
    overrides: list[str]
    processes: int


JOBS = {
    "conv4-maml": Job(
        "conv4 MAML: 64 filters, stride 2, 28 x 28, 5-way 1-shot, 15 queries a class, one inner "
        "step, second order, batch statistics, 32 tasks a step",
        "omniglot-5w1s",
        ["task.queries=15", "outer.meta_batch_size=32", "workers.block_size=4"],
        2,
    ),
    "conv4-reptile": Job(
        "conv4 Reptile: 64 filters, stride 2, 28 x 28, 5-way 10-shot, 5 inner steps of 10 images, "
        "Adam with beta1 = 0 and fresh moments, batch statistics, 32 tasks a step",
        "omniglot-reptile-5w1s",
        ["algorithm.inner_moments=fresh", "outer.meta_batch_size=32", "workers.block_size=4"],
        2,
    ),
    "protonet": Job(
        "ProtoNet: conv4 of 64 filters, stride 2, 28 x 28, 5-way 5-shot, 15 queries a class, each "
        "normalized with the support set, 32 tasks a step",
        "omniglot-5w1s",
        [
            "algorithm.kind=protonet",
            "model.statistics=support",
            "model.readout=flatten",
            "task.shots=5",
            "task.queries=15",
            "outer.meta_batch_size=32",
            "workers.block_size=4",
        ],
        2,
    ),
    "sinusoid-25": Job(
        "sinusoid MAML: 1-40-40-1 ReLU, 10 points and 10 queries, one inner step of 0.01, second "
        "order, 25 tasks a step",
        "sinusoid",
        ["outer.meta_batch_size=25"],
        1,
    ),
    "sinusoid-1000": Job(
        "sinusoid MAML: the same, 1000 tasks a step",
        "sinusoid",
        ["outer.meta_batch_size=1000"],
        1,
    ),
    "transformer-maml": Job(
        "transformer MAML: decoder-only, 2 layers, width 64, 4 heads, 64 characters, 10 lines and "
        "10 queries, one inner step, second order, 16 tasks a step",
        "shakespeare-generation",
        ["algorithm.kind=maml", "algorithm.inner_steps=1", "outer.meta_batch_size=16"],
        2,
    ),
    "names-maml": Job(
        "names MAML: the same transformer, 21 characters, as in the preset names-generation",
        "shakespeare-generation",
        [
            "task.texts=windows",
            "task.length=21",
            "algorithm.kind=maml",
            "algorithm.inner_steps=1",
            "outer.meta_batch_size=16",
        ],
        2,
    ),
    "intents-anil": Job(
        "intents ANIL: the preset clinc150-intents: 5-way 5-shot, 25 queries, five inner steps of "
        "the head, second order, 16 tasks a step",
        "clinc150-intents",
        ["workers.block_size=4"],
        2,
    ),
}
