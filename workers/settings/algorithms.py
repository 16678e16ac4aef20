"""Algorithms."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workers.settings.section import Section, setting


class _InnerLoop(Section):
    """What every algorithm with an inner loop says of it."""

    inner_lr: float = setting(0.01, "step size of the inner optimizer, > 0", gt=0)
    inner_steps: int = setting(1, "inner steps in training, 1 to 100", ge=1, le=100)
    inner_loss: Literal["mean", "sum_over_shots"] = setting(
        "mean", "mean over examples, or ways times it: Finn's code sums and divides by shots"
    )
    later_lr: float = setting(
        1.0,
        "what inner_lr is multiplied by after the first inner step, > 0; of policies alone",
        gt=0,
    )


class _OptimizedInnerLoop(_InnerLoop):
    """An inner loop with a choice of optimizers."""

    inner_optimizer: Literal["sgd", "momentum", "adam"] = setting(
        "sgd", "sgd, sgd with momentum, or Adam with beta1 = 0 and beta2 = 0.999 (Reptile's)"
    )
    inner_momentum: float = setting(0.9, "momentum's coefficient, 0 to 1", ge=0, lt=1)
    inner_moments: Literal["fresh", "persistent"] = setting(
        "fresh",
        "what momentum and Adam start a task with: zeros, or the mean of what the tasks of the "
        "step before ended with",
    )


class Differentiated(_InnerLoop):
    """An inner loop that is differentiated through."""

    first_order: bool = setting(False, "drop the second derivative")
    multi_step: bool = setting(
        False, "learn from the mean of the losses after each inner step, not from the last alone"
    )


class _DifferentiatedWithOptimizer(Differentiated, _OptimizedInnerLoop):
    """The same with a choice of inner optimizers."""

    @model_validator(mode="after")
    def _differentiable(self) -> Self:
        if self.inner_optimizer == "adam" and not self.first_order:
            raise ValueError(
                "algorithm.inner_optimizer = 'adam' divides by a square root that has no "
                "derivative where a gradient is zero; set algorithm.first_order = true, or use "
                "'sgd' or 'momentum'"
            )
        return self


class MamlAlgorithm(_DifferentiatedWithOptimizer):
    """Model-agnostic meta-learning (Finn et al. 2017, arXiv:1703.03400); first order: FOMAML."""

    kind: Literal["maml"] = "maml"


class AnilAlgorithm(_DifferentiatedWithOptimizer):
    """Almost no inner loop: only the head adapts (Raghu et al. 2020, arXiv:1909.09157)."""

    kind: Literal["anil"] = "anil"


class BoilAlgorithm(_DifferentiatedWithOptimizer):
    """Body only in the inner loop: all but the head adapts (Oh et al. 2021, arXiv:2008.08882)."""

    kind: Literal["boil"] = "boil"


class MetaSgdAlgorithm(Differentiated):
    """MAML with a learned rate for every weight (Li et al. 2017, arXiv:1707.09835)."""

    kind: Literal["meta_sgd"] = "meta_sgd"
    inner_lr: float = setting(0.01, "what all learned rates start with, > 0", gt=0)


class ReptileAlgorithm(_OptimizedInnerLoop):
    """Reptile (Nichol et al. 2018, arXiv:1803.02999)."""

    kind: Literal["reptile"] = "reptile"
    inner_lr: float = setting(0.02, "step size of the inner optimizer, > 0", gt=0)
    inner_steps: int = setting(5, "inner steps in training, 1 to 100", ge=1, le=100)
    inner_batch: int | None = setting(
        None, "examples per inner step, 1 to 10^6; unset: the whole support set", ge=1, le=10**6
    )


class JointAlgorithm(Section):
    """Train on all tasks at once, without adapting: the baseline of every few-shot claim.

    Regression: the mean unadapted loss. Classification: one head over all training classes,
    replaced by a zero head of `ways` outputs when a new task is adapted to.
    """

    kind: Literal["joint"] = "joint"
    inner_lr: float = setting(0.01, "step size of the fine-tuning SGD on a new task, > 0", gt=0)
    inner_loss: Literal["mean", "sum_over_shots"] = setting(
        "mean", "mean over examples, or ways times it: Finn's code sums and divides by shots"
    )


AlgorithmSettings = Annotated[
    MamlAlgorithm
    | AnilAlgorithm
    | BoilAlgorithm
    | MetaSgdAlgorithm
    | ReptileAlgorithm
    | JointAlgorithm,
    Field(discriminator="kind"),
]
