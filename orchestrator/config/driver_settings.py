"""The sections of a configuration that the driver alone reads."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from orchestrator.config.actor_count import ActorCount, parse_count
from workers.settings.section import Section, setting


class OuterSettings(Section):
    """The outer update: what the mean outer gradient does to theta."""

    optimizer: Literal["sgd", "momentum", "adam", "adamw", "trpo"] = setting(
        "adam",
        "Keras' optimizer of that name; Reptile's interpolation is sgd; trpo, of policies alone: "
        "as far along the natural gradient as max_divergence allows",
    )
    lr: float = setting(
        1e-3,
        "outer learning rate (Reptile: epsilon) before the schedule, > 0; trpo has none",
        gt=0,
    )
    schedule: Literal["constant", "linear", "cosine"] = setting(
        "constant", "lr over outer.steps: constant, or decaying to final_lr"
    )
    final_lr: float = setting(0.0, "where linear and cosine schedules end, >= 0", ge=0)
    warmup_steps: int = setting(0, "steps over which lr grows from 0, 0 to 10^9", ge=0, le=10**9)
    momentum: float = setting(0.9, "momentum's coefficient, 0 to 1", ge=0, lt=1)
    weight_decay: float = setting(0.004, "adamw's decoupled decay, >= 0", ge=0)
    clip_norm: float | None = setting(None, "largest global norm of the outer gradient, > 0", gt=0)
    clip_value: float | None = setting(None, "largest element of the outer gradient, > 0", gt=0)
    max_divergence: float = setting(
        0.01, "trpo: mean divergence of what policies do from what they did, nats, > 0", gt=0
    )
    conjugate_steps: int = setting(
        10, "trpo: steps of conjugate gradients, 1 to 1000", ge=1, le=1000
    )
    damping: float = setting(1e-5, "trpo: added to the divergence's curvature, >= 0", ge=0)
    line_search: int = setting(15, "trpo: lengths that are tried, 1 to 1000", ge=1, le=1000)
    shrink: float = setting(0.8, "trpo: by how much each is shorter, 0 to 1", gt=0, lt=1)
    epochs: int = setting(
        1,
        "updates from the same episodes, 1 to 1000; above 1, of policies alone: PPO, ProMP",
        ge=1,
        le=1000,
    )
    clip_ratio: float = setting(
        0.2, "how far from 1 a ratio of probabilities counts, where epochs > 1, > 0", gt=0
    )
    divergence_penalty: float = setting(
        0.0,
        "ProMP: price of a nat by which policies at the start of inner steps diverge from those "
        "that acted there, where epochs > 1, >= 0",
        ge=0,
    )
    meta_batch_size: int = setting(32, "tasks per outer step, 1 to 10^6", ge=1, le=10**6)
    steps: int = setting(10_000, "outer steps of the run, 1 to 10^9", ge=1, le=10**9)

    @property
    def growable(self) -> bool:
        """Whether more steps leave the first ones as they were."""
        return self.schedule == "constant"


class PoolSettings(Section):
    """Who runs the blocks."""

    count: ActorCount = setting(
        "auto",
        "Ray actors; 0: this process, no Ray; auto: whichever is faster; MIN..MAX: as many as the "
        "cluster has room for, and grows to",
        bits=False,
    )
    cpus: float = setting(1, "CPUs that Ray reserves for an actor, > 0", bits=False, gt=0)
    gpus: float = setting(
        0, "share of a GPU that an actor takes, 0 to 1; fractions share one", bits=False, ge=0, le=1
    )
    block_size: int | None = setting(
        None, "tasks per block, 1 to 10^6; unset: by meta_batch_size and execution", ge=1, le=10**6
    )
    reduction: Literal["auto", "driver", "actors"] = setting(
        "auto",
        "who adds contributions along the tree; auto: actors, above 50 MB a step",
        bits=False,
    )
    max_failures: int = setting(
        10, "actors that may be replaced in a run, 0 to 10^6", bits=False, ge=0, le=10**6
    )
    slow_after_s: float = setting(
        2.0,
        "a block that takes four times the median of its like, and more seconds than this, is run "
        "a second time elsewhere, > 0",
        bits=False,
        gt=0,
    )
    start_limit_s: float = setting(
        300.0,
        "seconds in which an actor must have built and compiled its model, > 0",
        bits=False,
        gt=0,
    )

    @field_validator("count", mode="before")
    @classmethod
    def _parse_count(cls, value: Any) -> ActorCount:
        return parse_count(value)


class EvaluationSettings(Section):
    """How the held-out tasks are adapted to and scored. None of it changes the weights."""

    tasks: int = setting(600, "test tasks, 2 to 10^6", bits=False, ge=2, le=10**6)
    validation_tasks: int = setting(200, "validation tasks, 2 to 10^6", bits=False, ge=2, le=10**6)
    every: int = setting(
        1000, "outer steps between validations, 1 to 10^9", bits=False, ge=1, le=10**9
    )
    shots: int | None = setting(
        None, "support examples, 1 to 10^5; unset: task.shots", bits=False, ge=1, le=10**5
    )
    queries: int | None = setting(
        None, "query examples, 1 to 10^5; unset: task.queries", bits=False, ge=1, le=10**5
    )
    inner_steps: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = setting(
        (1,), "inner steps to report, 1 to 1000 each", bits=False, min_length=1
    )
    inner_lr: tuple[Annotated[float, Field(gt=0)], ...] = setting(
        (), "inner rates to choose from on validation tasks; empty: the algorithm's", bits=False
    )
    later_lr: float | None = setting(
        None,
        "what the inner rate is multiplied by after the first inner step, > 0; of policies alone; "
        "unset: as in training",
        bits=False,
        gt=0,
    )
    inner_batch: int | None = setting(
        None,
        "examples per inner step, 1 to 10^6; unset: the whole support set",
        bits=False,
        ge=1,
        le=10**6,
    )
    seed: int = setting(
        1, "seed of validation and test tasks, 0 to 2^32 - 1", bits=False, ge=0, lt=2**32
    )


class CheckpointSettings(Section):
    """When the state is saved."""

    every: int = setting(
        500, "outer steps between checkpoints, 1 to 10^9", bits=False, ge=1, le=10**9
    )
    keep: int = setting(
        3, "newest checkpoints kept beside the best one, 1 to 10^6", bits=False, ge=1, le=10**6
    )
