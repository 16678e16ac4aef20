"""The sections of a configuration that only the driver reads."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from orchestrator.config.actor_count import ActorCount, parse_count
from workers.settings.section import Section, Size, Sizes, WaysList, setting

#: Actors that may be replaced in a run, at most.
MOST_FAILURES = 10**6


class OuterSettings(Section):
    """The outer update: how the mean outer gradient changes theta."""

    optimizer: Literal["sgd", "momentum", "adam", "adamw", "trpo"] = setting(
        "adam",
        "Keras' optimizer of that name; Reptile's interpolation is sgd; trpo, for policies only: "
        "the longest step along the natural gradient that max_divergence allows",
    )
    lr: float = setting(
        1e-3,
        "outer learning rate (Reptile: epsilon) before the schedule, > 0; trpo has none",
        gt=0,
    )
    schedule: Literal["constant", "linear", "cosine", "staircase"] = setting(
        "constant",
        "lr over the steps: constant, decaying to final_lr at outer.steps, or times decay_factor "
        "every decay_steps",
    )
    final_lr: float = setting(0.0, "where linear and cosine schedules end, >= 0", ge=0)
    decay_steps: int | None = setting(
        None, "staircase: steps of equal lr, 1 to 10^9", later=True, ge=1, le=10**9
    )
    decay_factor: float = setting(
        0.5, "staircase: each lr over the one before, 0 to 1", later=True, gt=0, le=1
    )
    warmup_steps: int = setting(0, "steps over which lr grows from 0, 0 to 10^9", ge=0, le=10**9)
    momentum: float = setting(0.9, "momentum's coefficient, 0 to 1", ge=0, lt=1)
    weight_decay: float = setting(0.004, "adamw's decoupled decay, >= 0", ge=0)
    clip_norm: float | None = setting(None, "largest global norm of the outer gradient, > 0", gt=0)
    clip_value: float | None = setting(None, "largest element of the outer gradient, > 0", gt=0)
    max_divergence: float = setting(
        0.01, "trpo: largest mean KL divergence of the new policies from the old, nats, > 0", gt=0
    )
    conjugate_steps: int = setting(
        10, "trpo: steps of conjugate gradients, 1 to 1000", ge=1, le=1000
    )
    damping: float = setting(1e-5, "trpo: added to the curvature of the KL divergence, >= 0", ge=0)
    line_search: int = setting(15, "trpo: most step lengths to try, 1 to 1000", ge=1, le=1000)
    shrink: float = setting(0.8, "trpo: each step length over the one before, 0 to 1", gt=0, lt=1)
    epochs: int = setting(
        1,
        "updates from the same episodes, 1 to 1000; above 1, for policies only: PPO, ProMP",
        ge=1,
        le=1000,
    )
    clip_ratio: float = setting(
        0.2,
        "PPO: distance from 1 at which probability ratios are clipped, if epochs > 1, > 0",
        gt=0,
    )
    divergence_penalty: float = setting(
        0.0,
        "ProMP: weight of the KL divergence (nats) of the policies at the start of inner steps "
        "from those that acted there, if epochs > 1, >= 0",
        ge=0,
    )
    meta_batch_size: int = setting(32, "tasks per outer step, 1 to 10^6", ge=1, le=10**6)
    steps: int = setting(10_000, "outer steps of the run, 1 to 10^9", ge=1, le=10**9)

    @model_validator(mode="after")
    def _has_stairs(self) -> Self:
        if self.schedule == "staircase" and self.decay_steps is None:
            raise ValueError(
                "outer.schedule = 'staircase' needs outer.decay_steps, the steps of equal lr"
            )
        return self

    @property
    def growable(self) -> bool:
        """Whether a run with more steps repeats the first ones exactly."""
        return self.schedule in ("constant", "staircase")


class PoolSettings(Section):
    """The actors that run the blocks."""

    count: ActorCount = setting(
        "auto",
        "Ray actors; 0: this process, no Ray; auto: whichever is faster; MIN..MAX: as many as the "
        "cluster has room for or can grow to",
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
        "where contributions are summed: on the driver or on actors; auto: on actors above 50 MB "
        "a step",
        bits=False,
    )
    max_failures: int = setting(
        10, "actors that may be replaced in a run, 0 to 10^6", bits=False, ge=0, le=MOST_FAILURES
    )
    slow_after_s: float = setting(
        2.0,
        "seconds after which a block that takes four times the median of similar blocks is run "
        "again on another actor, > 0",
        bits=False,
        gt=0,
    )
    start_limit_s: float = setting(
        300.0,
        "seconds within which an actor must build and compile its model, > 0",
        bits=False,
        gt=0,
    )

    @field_validator("count", mode="before")
    @classmethod
    def _parse_count(cls, value: Any) -> ActorCount:
        return parse_count(value)


class EvaluationSettings(Section):
    """The adaptation to held-out tasks and their scoring. No key here changes the weights."""

    tasks: int = setting(600, "test tasks, 2 to 10^6", bits=False, ge=2, le=10**6)
    validation_tasks: int = setting(200, "validation tasks, 2 to 10^6", bits=False, ge=2, le=10**6)
    every: int = setting(
        1000, "outer steps between validations, 1 to 10^9", bits=False, ge=1, le=10**9
    )
    ways: WaysList = setting(
        (),
        "for heads that are computed: classes of validation and test tasks, 2 to 10^5, instead of "
        "task.ways; or a list, the numbers of a table of test scores by ways and shots; empty: "
        "task.ways, and no table",
        bits=False,
    )
    shots: Sizes | None = setting(
        None,
        "support examples, 1 to 10^5, or a range such as [1, 10]; three numbers or more, or any "
        "list beside a list of evaluation.ways: the numbers of a table of test scores, with "
        "task.shots elsewhere; unset: task.shots",
        bits=False,
    )
    table_tasks: int = setting(
        100, "test tasks of each cell of that table, 2 to 10^6", bits=False, ge=2, le=10**6
    )
    queries: Size | None = setting(
        None,
        "query examples, 1 to 10^5, or a range such as [5, 15]; unset: task.queries",
        bits=False,
    )
    inner_steps: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = setting(
        (1,), "inner steps to report, 1 to 1000 each", bits=False, min_length=1
    )
    inner_lr: tuple[Annotated[float, Field(gt=0)], ...] = setting(
        (), "inner rates to choose from on validation tasks; empty: the algorithm's", bits=False
    )
    later_lr: float | None = setting(
        None,
        "factor of the inner rate after the first inner step, > 0; for policies only; unset: as "
        "in training",
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
    coverage: float = setting(
        0.9,
        "share of true answers that sets of classes and intervals of numbers are to hold, 0.5 to "
        "0.999",
        bits=False,
        ge=0.5,
        le=0.999,
    )
    false_alarms: float = setting(
        0.05,
        "share of the queries of tasks like the validation tasks that may be called unknown, "
        "0.001 to 0.5",
        bits=False,
        ge=0.001,
        le=0.5,
    )
    seed: int = setting(
        1, "seed of validation and test tasks, 0 to 2^32 - 1", bits=False, ge=0, lt=2**32
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        size = self.size
        if isinstance(size, tuple) and size[0] > size[1]:
            raise ValueError(
                f"evaluation.shots = {list(size)} is a range: the least comes first, then the "
                "most, such as [1, 10]"
            )
        return self

    @property
    def size(self) -> Size | None:
        """Support examples of validation and test tasks; None: as in training."""
        shots = self.shots
        if not isinstance(shots, tuple):
            return shots
        return None if self.listed_shots else (shots[0], shots[1])

    @property
    def num_ways(self) -> int | None:
        """Classes of validation and test tasks; None: as in training."""
        return self.ways if isinstance(self.ways, int) else None

    @property
    def listed_ways(self) -> tuple[int, ...]:
        """The ways of the table of test scores by ways and shots; (): those of the test tasks."""
        return self.ways if isinstance(self.ways, tuple) else ()

    @property
    def listed_shots(self) -> tuple[int, ...]:
        """The shots of the table of test scores by ways and shots; (): those of the test tasks."""
        is_list = isinstance(self.shots, tuple) and (bool(self.listed_ways) or len(self.shots) != 2)
        return self.shots if is_list and isinstance(self.shots, tuple) else ()


class CheckpointSettings(Section):
    """The times at which the state is saved."""

    every: int = setting(
        500, "outer steps between checkpoints, 1 to 10^9", bits=False, ge=1, le=10**9
    )
    keep: int = setting(
        3, "newest checkpoints kept beside the best one, 1 to 10^6", bits=False, ge=1, le=10**6
    )


class TrackingSettings(Section):
    """The services that a single run is logged to, beside its folder."""

    mlflow: str | None = setting(
        None, "URI of an MLflow server or database; unset: none", bits=False
    )
    wandb: str | None = setting(None, "project of Weights & Biases; unset: none", bits=False)
