"""The settings of a block runner, which every actor gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from workers.settings.algorithms import AlgorithmSettings
from workers.settings.inputs import FEATURES, Inputs
from workers.settings.models import MODELS, ModelSettings
from workers.settings.section import Section, setting
from workers.settings.task import AnyTask
from workers.settings.tasks import TASKS, TaskSettings
from workers.settings.user_task_shapes import UserTaskShapes

if TYPE_CHECKING:
    from workers.models.model import Model


#: Up to this number of inner steps, runtime.inner_memory = "auto" stores them.
MOST_STORED_STEPS = 10


class RuntimeSettings(Section):
    """The settings of execution, which can change bits."""

    execution: Literal["auto", "map", "vectorized"] = setting(
        "auto", "tasks of a block one after another, or as one batch; auto: by the model's kind"
    )
    xla: bool | None = setting(None, "compile blocks with XLA; unset: by the model's kind")
    inner_memory: Literal["auto", "store", "recompute"] = setting(
        "auto",
        "store the graphs of all inner steps of a task, or recompute each from its weights: memory "
        "of one step, the same gradient up to rounding; auto: recompute above 10 inner steps",
        later=True,
    )
    micro_batch: int | None = setting(
        None,
        "examples of a task that the model computes at a time, 1 to 10^6: less memory, the same "
        "gradient up to rounding; not with batch normalization; unset: all",
        later=True,
        ge=1,
        le=10**6,
    )
    isa: Literal["native", "avx2"] = setting(
        "native",
        "the instruction set to compute with: the processor's own, or avx2, which most x86 "
        "processors have: set before TensorFlow loads, here and in all actors",
        later=True,
    )
    non_finite: Literal["fail", "skip"] = setting(
        "fail",
        "a training task whose gradient is inf or nan: fail ends the run, skip leaves the task out "
        "of the mean and counts it in the metrics",
    )


class ActorSettings(Section):
    """The settings of a block runner."""

    seed: int = setting(
        0, "seed of the initial weights and of all training tasks, 0 to 2^32 - 1", ge=0, lt=2**32
    )
    task: TaskSettings | UserTaskShapes
    model: ModelSettings
    algorithm: AlgorithmSettings
    runtime: RuntimeSettings = RuntimeSettings()

    @property
    def execution(self) -> tuple[str, bool]:
        """The resolved pair of execution and xla."""
        mode, xla = self.model.execution
        if self.runtime.execution != "auto":
            mode = self.runtime.execution
        if self.runtime.xla is not None:
            xla = self.runtime.xla
        return mode, xla

    @property
    def inner_memory(self) -> Literal["store", "recompute"]:
        """The resolved choice of how training goes back through its inner loop."""
        steps = self.algorithm.training_steps if self.algorithm.goes_back else 0
        if self.runtime.inner_memory != "auto" and steps:
            return self.runtime.inner_memory
        return "recompute" if steps > MOST_STORED_STEPS and not self.task.acts else "store"

    @model_validator(mode="after")
    def _fits(self) -> ActorSettings:
        task, model, algorithm = self.task, self.model, self.algorithm
        if model.backbone is not None and not task.feature_family:
            raise ValueError(_no_backbone(task, model))
        if model.backbone is not None and (rate := getattr(task, "token_dropout", 0)):
            raise ValueError(
                f"task.token_dropout = {rate:g} leaves out tokens, but model.backbone = "
                f"{model.backbone!r} sees whole texts, once; unset one of them"
            )
        if not model.gets(task) & model.takes:
            raise ValueError(_refusal(task, model))
        model.check_task(task)
        model.check_algorithm(algorithm)
        later_lr = getattr(algorithm, "later_lr", 1.0)
        if later_lr != 1:
            self._check_later_lr("algorithm.later_lr", later_lr)
        algorithm.check_task(task)
        algorithm.check_model(model)
        self._check_memory()
        return self

    def _check_memory(self) -> None:
        """Refuse ways to take less memory where they are not possible."""
        micro_batch, algorithm = self.runtime.micro_batch, self.algorithm
        recompute = self.runtime.inner_memory == "recompute"
        if recompute and algorithm.training_steps and not algorithm.goes_back:
            raise ValueError(
                "runtime.inner_memory = 'recompute' is for algorithms that go back through their "
                f"inner steps; algorithm.kind = {algorithm.kind!r} has the memory of one step "
                "anyway: use 'auto'"
            )
        if self.task.acts and recompute:
            raise ValueError(
                "runtime.inner_memory = 'recompute' is for tasks with examples, not for task.kind "
                f"= {self.task.kind!r}, whose policies act between inner steps; use 'auto' or "
                "'store'"
            )
        if micro_batch is not None and self.task.acts:
            raise ValueError(
                f"runtime.micro_batch = {micro_batch} is for tasks with examples, not for task.kind"
                f" = {self.task.kind!r}, whose steps belong to episodes; unset it"
            )
        if micro_batch is not None and "batch" in (self.model.normalizations or ()):
            raise ValueError(
                f"runtime.micro_batch = {micro_batch} computes a few examples at a time, but "
                "model.normalization = 'batch' normalizes by all examples of a batch; unset it, or "
                "use 'layer' or 'group'"
            )

    def _check_later_lr(self, key: str, value: float) -> None:
        """Refuse `later_lr` without a policy, or without a rate to multiply."""
        if not self.task.acts:
            why = f"is for policies, not for task.kind = {self.task.kind!r}"
        elif self.algorithm.learned_rates:
            of, kind = self.algorithm.learned_rates, self.algorithm.kind
            why = f"multiplies a rate, and algorithm.kind = {kind!r} learns one for {of}"
        else:
            return
        raise ValueError(f"{key} = {value:g} {why}; unset it")


def _no_backbone(task: AnyTask, model: Model) -> str:
    """Say that a backbone has nothing to compute features of, and which tasks have."""
    fit = [repr(kind) for kind, other in TASKS.items() if other.feature_family]
    return (
        f"model.backbone = {model.backbone!r} computes the features of stored images or texts, but "
        f"task.kind = {task.kind!r} has {_listed(task.gives)}; unset it, or use task.kind = "
        f"{' or '.join(fit)}"
    )


def _refusal(task: AnyTask, model: Model) -> str:
    """Say that the model does not accept what the task gives, and which models do."""
    if model.backbone is not None:
        fit = [repr(kind) for kind, other in MODELS.items() if other.takes & FEATURES]
        return (
            f"model.kind = {model.kind!r} takes {_listed(model.takes)}, but model.backbone gives "
            f"it a vector of numbers; use model.kind = {' or '.join(fit)}"
        )
    message = (task.refusal or model.refusal).format(task=task.kind, model=model.kind)
    if message:
        return message
    fit = [repr(kind) for kind, other in MODELS.items() if other.takes & task.gives]
    return (
        f"model.kind = {model.kind!r} takes {_listed(model.takes)}, but task.kind = "
        f"{task.kind!r} has {_listed(task.gives)}; use model.kind = {' or '.join(fit)}"
    )


def _listed(inputs: frozenset[Inputs]) -> str:
    return " or ".join(sorted(inputs))
