"""Task families."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from workers.settings.section import Section, setting


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
        "a zip or folder of CLASS/IMAGE files, a CSV or Parquet file, several of them, or a folder "
        "holding Omniglot's zips; unset: the data folder's omniglot/",
        bits=False,
    )
    image_column: str = setting(
        "image", "Parquet: the column of encoded images; CSV: of their paths, relative to it"
    )
    label_column: str | tuple[str, ...] = setting(
        "label", "Parquet, CSV: the class; several columns are joined by '/'"
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


class GivenTask(Section):
    """Tasks that are handed over, to be adapted to: what a model must know of their examples."""

    kind: Literal["given"] = "given"
    loss: Literal["mse", "cross_entropy"] = setting("mse", "regression, or classification")
    input_shape: tuple[int, ...] = setting(..., "shape of an example")
    num_outputs: int = setting(..., "outputs of the model, >= 1", ge=1)
    num_train_classes: int | None = setting(None, "outputs of `joint`'s head in training", ge=1)


#: What a run can train on.
TaskSettings = Annotated[SinusoidTask | ImagesTask, Field(discriminator="kind")]
