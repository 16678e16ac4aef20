"""The source of a user's Keras model: a function in a module, or a .keras file."""

from __future__ import annotations

import importlib
import inspect
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.wire.import_path import refuse_namesakes
from workers.wire.packed_inputs import PackedShape, shapes_of

if TYPE_CHECKING:
    import keras

    from workers.models.user_model import KerasModel

#: Keras' defaults that each module changed when it was imported.
_CHANGES: dict[str, list[str]] = {}


def from_file(settings: KerasModel) -> keras.Model:
    """Load the model of a .keras file. Raises ValueError if it holds none."""
    path = file_of(settings)
    if path is None or not path.is_file():
        raise ValueError(f"model.source = {settings.source!r}: there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"model.source = {settings.source!r} is no .keras file: a zip archive written by "
            "model.save"
        )
    if settings.arguments:
        raise ValueError(
            f"model.arguments = {settings.arguments!r} are for a function, not for the file "
            f"{settings.source!r}; unset them"
        )
    import keras

    try:
        model = keras.saving.load_model(path, compile=False)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"model.source = {settings.source!r} cannot be loaded as a Keras model: "
            f"{first_line(error)} (a module in model.imports must register your own classes)"
        ) from error
    return _checked(settings, model, "holds")


def from_function(
    settings: KerasModel, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None
) -> keras.Model:
    """Call the function with those of input_shape, num_outputs and num_tokens that it takes."""
    function = _function(settings)
    offered = {
        "input_shape": shapes_of(input_shape),
        "num_outputs": num_outputs,
        "num_tokens": num_tokens,
    }
    parameters = inspect.signature(function).parameters
    arguments = {name: value for name, value in offered.items() if name in parameters}
    arguments |= settings.arguments
    try:
        model = function(**arguments)
    except (Exception, SystemExit) as error:
        call = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise ValueError(
            f"model.source = {settings.source!r} raised {type(error).__name__} when it was called "
            f"with ({call}): {first_line(error)}"
        ) from error
    return _checked(settings, model, "returned")


def _function(settings: KerasModel) -> Callable[..., Any]:
    module_name, _, name = settings.source.partition(":")
    if not module_name or not name:
        raise ValueError(
            f"model.source = {settings.source!r} is neither 'module:function' nor a file that ends "
            "in .keras"
        )
    module = import_module(module_name, settings)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise ValueError(
            f"model.source = {settings.source!r}: {module_name} has no function {name!r}; it has "
            f"{', '.join(functions) or 'none'}"
        )
    return function


def import_module(name: str, settings: KerasModel) -> Any:
    """Import a module, first from the folder of the settings.

    Raises:
      ValueError: the module cannot be imported, or changes Keras for the whole process.
    """
    from workers.models.keras_defaults import changed_defaults

    refuse_namesakes([settings.folder])
    if settings.folder not in sys.path:
        sys.path.insert(0, settings.folder)
    module = _imported(name, settings)
    # Models that are built later would not have the change: the module is imported once.
    if changed := _CHANGES.setdefault(name, changed_defaults()):
        raise ValueError(
            f"the module {name} of [model] sets keras.config's {', '.join(changed)} for the whole "
            "process when it is imported; set dtype or data_format on the layers instead, or "
            "change it in the function that builds the model"
        )
    return module


def _imported(name: str, settings: KerasModel) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise ValueError(
                f"the module {name} of [model] needs {error.name!r}, which is not installed"
            ) from error
        raise ValueError(
            f"model.source = {settings.source!r}: there is no module {name!r} in {settings.folder} "
            "or among the installed packages; set model.folder to its folder"
        ) from None
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"the module {name} of [model] cannot be imported: {type(error).__name__}: "
            f"{first_line(error)}"
        ) from error


def _checked(settings: KerasModel, model: Any, verb: str) -> keras.Model:
    import keras

    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise ValueError(
            f"model.source = {settings.source!r} {verb} an object of type "
            f"{kind.removeprefix('builtins.')}, not a keras.Model"
            + (" (is there a return?)" if model is None else "")
        )
    return model


def file_of(settings: KerasModel) -> Path | None:
    """Return the path of the .keras file; None if the source is a function."""
    if not settings.source.endswith(".keras"):
        return None
    return Path(settings.folder, settings.source).expanduser()


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message that is not blank, or else its type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def on_packed(model: keras.Model, shape: PackedShape, said: str) -> keras.Model:
    """Put the cutting of a vector in front of a model that takes a dict, or inputs by name.

    Args:
      said: how errors call the model.
    Raises:
      ValueError: the model has other inputs than the tasks.
    """
    import keras

    declared = {each.name: tuple(each.shape[1:]) for each in getattr(model, "inputs", None) or []}
    needed = {name: part.shape for name, part in shape.parts.items()}
    if declared and not _fit(declared, needed):
        raise ValueError(
            f"{said} takes the inputs {_told(declared)}, the tasks have {_told(needed)}; name its "
            "keras.Input layers, and shape them, as the tasks' dicts are"
        )
    vector = keras.Input(tuple(shape), name="packed")
    cut, start = {}, 0
    for name, part in shape.parts.items():
        piece = vector[:, start : start + part.size]
        piece = keras.layers.Reshape(part.shape, name=f"cut_{name}")(piece)
        if part.integers:  # whatever a model is tried with, these are ids
            piece = keras.ops.cast(keras.ops.maximum(piece, 0.0), "int32")
        cut[name] = piece
        start += part.size
    try:
        outputs = model(cut)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{said} cannot be called on a dict of {_told(needed)}, as the tasks have them: "
            f"{' '.join(str(error).split())[:200]}"
        ) from error
    return keras.Model(vector, outputs)


def _fit(declared: Mapping[str, tuple[Any, ...]], needed: Mapping[str, tuple[int, ...]]) -> bool:
    if declared.keys() != needed.keys():
        return False
    pairs = [(declared[name], needed[name]) for name in needed]
    return all(
        len(own) == len(theirs)
        and all(size in (None, given) for size, given in zip(own, theirs, strict=True))
        for own, theirs in pairs
    )


def _told(shapes: Mapping[str, tuple[Any, ...]]) -> str:
    return ", ".join(f"{name!r} {list(shape)}" for name, shape in shapes.items())
