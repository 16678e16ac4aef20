"""All that a block runner is made from."""

from typing import Literal

from pydantic import model_validator

from workers.settings.algorithms import AlgorithmSettings
from workers.settings.models import KerasModel, ModelSettings
from workers.settings.section import Section, setting
from workers.settings.tasks import GivenTask, TaskSettings

#: Kinds of tasks in which a policy acts.
ENVIRONMENTS = ("navigation", "gym")


class RuntimeSettings(Section):
    """What decides bits beside the mathematics."""

    execution: Literal["auto", "map", "vectorized"] = setting(
        "auto", "tasks of a block one after another, or as one batch; auto: by the model's kind"
    )
    xla: bool | None = setting(None, "compile blocks with XLA; unset: by the model's kind")
    non_finite: Literal["fail", "skip"] = setting(
        "fail",
        "a training task whose gradient is inf or nan: fail ends the run, skip leaves the task out "
        "of the mean and counts it in the metrics",
    )


# kind of model -> (execution, xla). Measured: convolutions are fastest one task after another
# without XLA, transformers one after another with it, dense networks as one compiled batch. A
# model that we do not know may hold anything.
_EXECUTION = {
    "linear": ("vectorized", True),
    "mlp": ("vectorized", True),
    "gaussian_mlp": ("vectorized", True),
    "conv4": ("map", False),
    "text": ("map", False),
    "transformer": ("map", True),
    "keras": ("map", False),
}


class WorkerSettings(Section):
    """All that a block runner is made from."""

    seed: int = setting(
        0, "seed of the initial weights and of all training tasks, 0 to 2^32 - 1", ge=0, lt=2**32
    )
    task: TaskSettings | GivenTask
    model: ModelSettings
    algorithm: AlgorithmSettings
    runtime: RuntimeSettings = RuntimeSettings()

    @property
    def execution(self) -> tuple[str, bool]:
        """The resolved (execution, xla)."""
        mode, xla = _EXECUTION[self.model.kind]
        if self.runtime.execution != "auto":
            mode = self.runtime.execution
        if self.runtime.xla is not None:
            xla = self.runtime.xla
        return mode, xla

    @model_validator(mode="after")
    def _fits(self) -> "WorkerSettings":
        if self.task.kind in ("sinusoid", "table") and self.model.kind == "conv4":
            raise ValueError(
                f"model.kind = 'conv4' takes images, but task.kind = {self.task.kind!r} has "
                "numbers; use model.kind = 'mlp' or 'linear'"
            )
        of_texts = self.task.kind in ("text", "matching")
        if of_texts and self.model.kind not in ("text", "keras"):
            raise ValueError(
                f"model.kind = {self.model.kind!r} takes numbers, but task.kind = "
                f"{self.task.kind!r} has texts; use model.kind = 'text', or 'keras' with a model "
                "of yours that takes token ids"
            )
        if self.model.kind == "text" and not of_texts and self.task.kind != "given":
            raise ValueError(
                f"model.kind = 'text' takes texts, but task.kind = {self.task.kind!r} has none"
            )
        self._check_transformer()
        size = self.task.image_size if self.task.kind == "images" else "auto"
        if self.model.kind == "conv4" and size != "auto" and size < 16:
            raise ValueError(
                f"task.image_size = {size} is too small for model.kind = 'conv4', "
                "which halves its input four times; use 16 or more"
            )
        self._check_policy()
        return self

    def _check_transformer(self) -> None:
        model, algorithm, task = self.model, self.algorithm, self.task
        if task.kind == "generation" and model.kind not in ("transformer", "keras"):
            raise ValueError(
                f"model.kind = {model.kind!r} does not say what comes next, as task.kind = "
                "'generation' wants; use model.kind = 'transformer', or 'keras' with a model of "
                "yours that gives logits for each token"
            )
        if model.kind != "transformer":
            return
        if task.kind not in ("generation", "given"):
            raise ValueError(
                f"model.kind = 'transformer' goes on with texts, task.kind = {task.kind!r} does "
                "not; it is for task.kind = 'generation'"
            )
        if model.adapter_rank and algorithm.kind in ("anil", "boil", "reptile"):
            raise ValueError(
                f"model.adapter_rank = {model.adapter_rank} says what adapts, and so does "
                f"algorithm.kind = {algorithm.kind!r}"
                if algorithm.kind != "reptile"
                else f"model.adapter_rank = {model.adapter_rank} has the inner loop change the "
                "adapters alone, and algorithm.kind = 'reptile' trains only what that changes; use "
                "'maml', with algorithm.first_order = true to save time"
            )
        if model.output == "tied" and algorithm.kind in ("anil", "boil"):
            raise ValueError(
                f"model.output = 'tied' has no head, which algorithm.kind = {algorithm.kind!r} "
                "tells from the rest; use model.output = 'head'"
            )

    def _check_later_lr(self, key: str, value: float) -> None:
        """Refuse it where there is no policy, or no rate to multiply."""
        if self.task.kind not in ENVIRONMENTS:
            why = f"is for policies, not for task.kind = {self.task.kind!r}"
        elif self.algorithm.kind == "meta_sgd":
            why = "multiplies a rate, and algorithm.kind = 'meta_sgd' learns one for each weight"
        else:
            return
        raise ValueError(f"{key} = {value:g} {why}; unset it")

    def _check_policy(self) -> None:
        """Refuse what policies cannot have, and what only they can."""
        task, model = self.task, self.model
        acts = task.kind in ENVIRONMENTS
        if model.kind == "gaussian_mlp" and not acts:
            raise ValueError(
                f"model.kind = 'gaussian_mlp' is a policy, but task.kind = {task.kind!r} has no "
                "environments to act in; use model.kind = 'mlp'"
            )
        later_lr = getattr(self.algorithm, "later_lr", 1.0)
        if later_lr != 1:
            self._check_later_lr("algorithm.later_lr", later_lr)
        if not acts:
            return
        if model.kind not in ("linear", "mlp", "gaussian_mlp", "keras"):
            raise ValueError(
                f"model.kind = {model.kind!r} cannot be a policy; for task.kind = {task.kind!r} "
                "use 'gaussian_mlp', 'mlp', 'linear', or 'keras' with a model of yours"
            )
        if isinstance(model, KerasModel):
            if model.encoder:
                raise ValueError(
                    "model.encoder = True puts a head for classes on a model of yours; a policy "
                    "brings its own: leave it out"
                )
        elif model.normalization == "batch":
            raise ValueError(
                "model.normalization = 'batch' makes what a policy does depend on other episodes; "
                "use 'none' or 'layer'"
            )
        if getattr(self.algorithm, "inner_batch", None) is not None:
            raise ValueError(
                f"algorithm.inner_batch = {getattr(self.algorithm, 'inner_batch', None)} deals "
                "out examples, but each inner step of a policy sees its own episodes; unset it"
            )
