"""An adapted model as an ONNX file, by tf2onnx, compared with Keras before it is given out."""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from workers.execution import runtime
from workers.export.behind_backbone import as_given
from workers.export.onnx_packages import SUFFIX, check_packages
from workers.tasks.scaling import ExampleScaling
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Array

#: How far the outputs may be from Keras' own, in units of their largest.
_TOLERANCE = 1e-5
_TYPES = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


def as_saved(suffix: str, content: bytes, queries: Array, scaling: ExampleScaling | None) -> bytes:
    """Return a .keras file as it is, or as an ONNX file if the suffix is that.

    Args:
      queries: as in training. scaling: see `as_plain`.
    Raises:
      ValueError, MetatrainError: see `as_onnx`.
    """
    if suffix != SUFFIX:
        return content
    check_packages(suffix)
    return as_onnx(content, queries if scaling is None else scaling.inputs.undo(queries))


def as_onnx(content: bytes, inputs: Array) -> bytes:
    """Convert a .keras file, and compare both on `inputs`.

    Args:
      inputs: [n, ..], as the file takes them.
    Raises:
      ValueError: the model cannot be an ONNX file.
      MetatrainError: the ONNX file answers otherwise than Keras.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, file = Path(folder, "model.keras"), Path(folder, "model.onnx")
        source.write_bytes(content)
        model = keras.saving.load_model(source, compile=False)
        expected = np.asarray(model(as_given(model, inputs), training=False))
        try:
            with warnings.catch_warnings(), runtime.silent():
                warnings.simplefilter("ignore")  # tf2onnx asks numpy for names that it will lack
                model.export(file, format="onnx", verbose=False)
        except Exception as error:  # of any kind, and the disk is temporary
            first = " ".join(str(error).split())[:200]
            raise ValueError(
                f"tf2onnx cannot convert the model ({type(error).__name__}: {first}); save it as "
                ".keras"
            ) from error
        converted = file.read_bytes()
    _compare(_answers(converted, inputs), expected)
    return converted


def _answers(content: bytes, inputs: Array) -> Array:
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    taken, *more = session.get_inputs()
    if more or taken.type not in _TYPES:
        names = ", ".join(f"{each.name}: {each.type}" for each in (taken, *more))
        raise ValueError(f"the model takes {names}, not one array of numbers; save it as .keras")
    (outputs,) = session.run(None, {taken.name: np.asarray(inputs, _TYPES[taken.type])})
    return np.asarray(outputs)


def _compare(outputs: Array, expected: Array) -> None:
    difference = float(
        np.abs(np.subtract(outputs, expected)).max() / max(np.abs(expected).max(), 1e-6)
    )
    if not difference <= _TOLERANCE:
        raise MetatrainError(
            f"the ONNX file answers otherwise than Keras, by {difference:.1e} of the largest "
            f"output (allowed: {_TOLERANCE:g}); nothing was written; save it as .keras"
        )
