"""What an actor must know of the configuration: task family, model, algorithm, runtime.

Each field says what it is, its unit and its range. `bits=False` marks those that cannot change
the weights; all others are hashed into a run's identity.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)


class Section(BaseModel):
    """A table of the configuration: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def setting(default: Any, description: str, *, bits: bool = True, **constraints: Any) -> Any:
    """Declare a field: what it is, and whether changing it changes the weights.

    A field with bounds takes numbers only: no truth values, no numbers as text.
    """
    numeric = constraints.keys() & {"ge", "gt", "le", "lt"}
    strict: dict[str, Any] = {"strict": True} if numeric else {}
    return Field(
        default,
        description=description,
        json_schema_extra={"bits": bits},
        validate_default=True,
        **strict,
        **constraints,
    )


class SinusoidTask(Section):
    """Regression of sinusoids (Finn et al. 2017, arXiv:1703.03400, section 5.1)."""

    kind: Literal["sinusoid"] = "sinusoid"
    shots: int = setting(10, "support points per task, >= 1", ge=1)
    queries: int = setting(10, "query points per task, >= 1", ge=1)
    amplitude: tuple[float, float] = setting((0.1, 5.0), "range of the amplitude, low < high")
    phase: tuple[float, float] = setting((0.0, float(np.pi)), "range of the phase, radians")
    inputs: tuple[float, float] = setting((-5.0, 5.0), "range of the inputs, low < high")

    @field_validator("amplitude", "phase", "inputs")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("low must be below high")
        return value


class ImagesTask(Section):
    """N-way K-shot classification of images."""

    kind: Literal["images"] = "images"
    path: str | tuple[str, ...] | None = setting(
        None,
        "a zip of CLASS/IMAGE files, several of them, a Parquet file, or a folder holding "
        "Omniglot's zips; unset: the data folder's omniglot/",
        bits=False,
    )
    image_column: str = setting("image", "Parquet: the column of encoded images")
    label_column: str | tuple[str, ...] = setting(
        "label", "Parquet: the class; several columns are joined by '/'"
    )
    ways: int = setting(5, "classes per task, >= 2", ge=2)
    shots: int = setting(1, "support images per class, >= 1", ge=1)
    queries: int = setting(1, "query images per class, >= 1", ge=1)
    image_size: int = setting(28, "height and width after resizing, pixels, 4 to 512", ge=4, le=512)
    channels: Literal[1, 3] = setting(1, "1 grey, 3 RGB")
    invert: bool = setting(False, "exchange black and white, so that ink is 1 on a paper of 0")
    rotations: Literal["none", "train", "all"] = setting(
        "none", "quarter turns as new classes: of no classes, of the training classes, of all"
    )
    train_classes: int | None = setting(
        None, "classes to train on, before rotation; unset: 64 %", ge=1
    )
    validation_classes: int | None = setting(None, "classes to validate on; unset: 16 %", ge=1)
    test_classes: int | None = setting(None, "classes to test on; unset: the rest", ge=1)
    split_seed: int = setting(0, "seed of the split by classes, 0 to 2^32 - 1", ge=0, lt=2**32)
    split_file: str | None = setting(
        None,
        "JSON {'train': [class, ...], 'validation': [...], 'test': [...]} instead of a seed",
        bits=False,
    )
    cache: str = setting(
        "~/.cache/metatrain", "folder of the decoded images, one file per source", bits=False
    )

    @field_validator("path", "split_file", "cache")
    @classmethod
    def _absolute(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        """A run can be resumed, and an actor started, in another working directory."""
        if value is None:
            return None
        if isinstance(value, str):
            return str(Path(value).expanduser().absolute())
        return tuple(str(Path(each).expanduser().absolute()) for each in value)


class LinearModel(Section):
    """F(x) = Wx + b."""

    kind: Literal["linear"] = "linear"
    normalization: Literal["batch", "layer", "none"] = setting(
        "none", "normalization of the inputs"
    )


class MlpModel(Section):
    """Dense layers."""

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = setting(
        (40, 40), "units of each hidden layer, >= 1"
    )
    activation: Literal["relu", "tanh", "elu", "gelu", "silu"] = setting(
        "relu", "activation of the hidden layers"
    )
    normalization: Literal["batch", "layer", "none"] = setting(
        "none", "normalization before each activation"
    )


class Conv4Model(Section):
    """Four 3x3 convolutions, the few-shot field's standard network (Vinyals et al. 2016)."""

    kind: Literal["conv4"] = "conv4"
    filters: int = setting(64, "filters of each convolution, >= 1", ge=1)
    downsample: Literal["stride", "max_pool"] = setting(
        "stride", "how each layer halves its input: stride 2, or a 2x2 maximum"
    )
    normalization: Literal["batch", "layer", "none"] = setting(
        "batch", "normalization after each convolution; batch: the batch's own statistics"
    )
    readout: Literal["flatten", "mean"] = setting(
        "flatten", "what the head sees of the last layer: all of it, or its mean over positions"
    )


class MamlAlgorithm(Section):
    """Model-agnostic meta-learning (Finn et al. 2017, arXiv:1703.03400)."""

    kind: Literal["maml"] = "maml"
    inner_lr: float = setting(0.01, "step size of the inner SGD, > 0", gt=0)
    inner_steps: int = setting(1, "inner steps in training, 1 to 100", ge=1, le=100)
    first_order: bool = setting(False, "drop the second derivative (FOMAML)")
    inner_loss: Literal["mean", "sum_over_shots"] = setting(
        "mean", "mean over examples, or ways times it: Finn's code sums and divides by shots"
    )


class ReptileAlgorithm(Section):
    """Reptile (Nichol et al. 2018, arXiv:1803.02999)."""

    kind: Literal["reptile"] = "reptile"
    inner_lr: float = setting(0.02, "step size of the inner optimizer, > 0", gt=0)
    inner_steps: int = setting(5, "inner steps in training, 1 to 100", ge=1, le=100)
    inner_optimizer: Literal["sgd", "adam"] = setting(
        "sgd", "sgd, or Adam with beta1 = 0, beta2 = 0.999 and fresh moments for each task"
    )
    inner_batch: int | None = setting(
        None, "examples per inner step, >= 1; unset: the whole support set", ge=1
    )
    inner_loss: Literal["mean", "sum_over_shots"] = setting(
        "mean", "mean over examples, or ways times it: Finn's code sums and divides by shots"
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


class RuntimeSettings(Section):
    """What decides bits beside the mathematics."""

    execution: Literal["auto", "map", "vectorized"] = setting(
        "auto", "tasks of a block one after another, or as one batch; auto: by the model's kind"
    )
    xla: bool | None = setting(None, "compile blocks with XLA; unset: by the model's kind")


TaskSettings = Annotated[SinusoidTask | ImagesTask, Field(discriminator="kind")]
ModelSettings = Annotated[LinearModel | MlpModel | Conv4Model, Field(discriminator="kind")]
AlgorithmSettings = Annotated[
    MamlAlgorithm | ReptileAlgorithm | JointAlgorithm, Field(discriminator="kind")
]

# kind of model -> (execution, xla). Measured: convolutions are fastest one task after another
# without XLA, dense networks as one compiled batch.
_EXECUTION = {
    "linear": ("vectorized", True),
    "mlp": ("vectorized", True),
    "conv4": ("map", False),
}


class WorkerSettings(Section):
    """All that a block runner is made from."""

    seed: int = setting(
        0, "seed of the initial weights and of all training tasks, 0 to 2^32 - 1", ge=0, lt=2**32
    )
    task: TaskSettings
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
        if self.task.kind == "sinusoid" and self.model.kind == "conv4":
            raise ValueError(
                "model.kind = 'conv4' takes images, but task.kind = 'sinusoid' has one number "
                "per input; use model.kind = 'mlp' or 'linear'"
            )
        if self.task.kind == "images" and self.model.kind == "conv4" and self.task.image_size < 16:
            raise ValueError(
                f"task.image_size = {self.task.image_size} is too small for model.kind = 'conv4', "
                "which halves its input four times; use 16 or more"
            )
        return self
