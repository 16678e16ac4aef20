"""The source of a user's Keras model: a function in a module, or a .keras file."""

from __future__ import annotations

import inspect
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.user_code import modules
from workers.wire.packed_inputs import PackedShape

if TYPE_CHECKING:
    import keras

#: Keras' defaults that each module changed when it was imported.
_CHANGES: dict[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a user's Keras model comes from.

    key: the setting that names it, for errors.
    name: "module:function", or a file that ends in .keras.
    folder: folder of the file, and first folder to import modules from.
    arguments: further arguments of the function, by name.
    """

    key: str
    name: str
    folder: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.key} = {self.name!r}"

    @property
    def module(self) -> str | None:
        """The name of the function's module; None if the source is a file."""
        return None if self.name.endswith(".keras") else self.name.partition(":")[0]

    @property
    def file(self) -> Path | None:
        """The path of the .keras file; None if the source is a function."""
        return None if self.module is not None else Path(self.folder, self.name).expanduser()


def load_model(source: Source, offered: Mapping[str, Any]) -> keras.Model:
    """Load or make the model.

    Args:
      offered: arguments of the function, which are given to it if it takes them.
    Raises:
      ValueError: there is none, or it is no Keras model.
    """
    return _from_file(source) if source.file is not None else _from_function(source, offered)


def check_name(source: Source) -> tuple[str, str]:
    """Split "module:function". Raises ValueError if it is something else."""
    module, _, name = source.name.partition(":")
    if not module or not name:
        raise ValueError(f"{source} is neither 'module:function' nor a file that ends in .keras")
    return module, name


def find_file(source: Source) -> Path:
    """Return the path of the .keras file. Raises ValueError unless it is a zip archive."""
    path = source.file
    assert path is not None
    if not path.is_file():
        raise ValueError(f"{source}: there is no file {path}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{source} is no .keras file: a zip archive written by model.save")
    return path


def _from_file(source: Source) -> keras.Model:
    path = find_file(source)
    if source.arguments:
        raise ValueError(
            f"model.arguments = {source.arguments!r} are for a function, not for the file "
            f"{source.name!r}; unset them"
        )
    import keras

    try:
        model = keras.saving.load_model(path, compile=False)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{source} cannot be loaded as a Keras model: "
            f"{first_line(error)} (a module in model.imports must register your own classes)"
        ) from error
    return _checked(source, model, "holds")


def _from_function(source: Source, offered: Mapping[str, Any]) -> keras.Model:
    function = _function(source)
    parameters = inspect.signature(function).parameters
    arguments = {name: value for name, value in offered.items() if name in parameters}
    arguments |= source.arguments
    try:
        model = function(**arguments)
    except (Exception, SystemExit) as error:
        call = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise ValueError(
            f"{source} raised {type(error).__name__} when it was called "
            f"with ({call}): {first_line(error)}"
        ) from error
    return _checked(source, model, "returned")


def _function(source: Source) -> Callable[..., Any]:
    module_name, name = check_name(source)
    module = import_module(module_name, source)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise ValueError(
            f"{source}: {module_name} has no function {name!r}; it has "
            f"{', '.join(functions) or 'none'}"
        )
    return function


def import_module(name: str, source: Source) -> Any:
    """Import a module, first from the folder of the source.

    Raises:
      ValueError: see `workers.user_code.modules`; or it changes Keras for the whole process.
    """
    from workers.models.keras_defaults import changed_defaults

    missing = (
        f"{source}: there is no module {name!r} in {source.folder} or among the installed "
        "packages; set model.folder to its folder"
    )
    module = modules.import_module(name, source.folder, "model", missing)
    # Models that are built later would not have the change: the module is imported once.
    if changed := _CHANGES.setdefault(name, changed_defaults()):
        raise ValueError(
            f"the module {name!r} of [model] sets keras.config's {', '.join(changed)} for the "
            "whole process when it is imported; set dtype or data_format on the layers instead, or "
            "change it in the function that builds the model"
        )
    return module


def _checked(source: Source, model: Any, verb: str) -> keras.Model:
    import keras

    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise ValueError(
            f"{source} {verb} an object of type "
            f"{kind.removeprefix('builtins.')}, not a keras.Model"
            + (" (is there a return?)" if model is None else "")
        )
    return model


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
