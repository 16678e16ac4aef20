"""A user's own Keras model, or an encoder that gets a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from workers.models.model import Model
from workers.models.user_source import Source, first_line, import_module, load_model
from workers.settings.inputs import EVERYTHING
from workers.settings.section import setting
from workers.user_code.code_digest import CodeDigest
from workers.user_code.files import files_of

if TYPE_CHECKING:
    import keras

    from workers.models.functional import FunctionalModel
    from workers.settings.task import AnyTask


class KerasModel(Model):
    """A user's own Keras model, or an encoder that gets a head."""

    takes = EVERYTHING
    is_users = True

    kind: Literal["keras"] = "keras"
    source: str = setting(
        ...,
        "'module:function', which returns a keras.Model and takes any of input_shape and "
        "num_outputs, or a .keras file",
        bits=False,  # its content is in the fingerprint
    )
    arguments: dict[str, Any] = setting({}, "further arguments of the function, by name")
    head: str | None = setting(
        None,
        "layer that ANIL alone adapts, BOIL does not adapt and joint replaces; unset: the last "
        "one with weights",
    )
    encoder: bool = setting(
        False,
        "whether the model outputs a vector for each example (for each text, with candidates), "
        "and gets a head",
    )
    second_derivative: Literal["checked", "trusted"] = setting(
        "checked",
        "before second-order training, compare each layer's second derivative with finite "
        "differences, or trust layers that stop a gradient on purpose",
        bits=False,
    )

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> keras.Model:
        """Make the model that `source` names; see `Model.build`.

        Raises:
          ValueError: there is none, it is no Keras model, or it does not take such inputs.
        """
        from workers.models.heads import on_encoder
        from workers.models.user_source import on_packed
        from workers.wire.packed_inputs import PackedShape, shapes_of

        source = self._source
        for name in self.imports:
            import_module(name, source)
        has_candidates = num_tokens is not None and len(input_shape) > 1
        shape = input_shape[1:] if self.encoder and has_candidates else input_shape
        offered = {
            "input_shape": shapes_of(shape),
            "num_outputs": num_outputs,
            "num_tokens": num_tokens,
        }
        model = load_model(source, offered)
        if isinstance(shape, PackedShape):
            model = on_packed(model, shape, f"model.source = {self.source!r}")
        _check_inputs(self, model, shape)
        if self.encoder:
            _check_vectors(self, model)
            model = on_encoder(model, input_shape, num_outputs)
        for layer in model._flatten_layers():
            if hasattr(layer, "use_cudnn"):
                layer.use_cudnn = False  # cuDNN's recurrent kernels have no second derivative
        return model

    def check_task(self, task: AnyTask) -> None:
        """See `Model.check_task`."""
        if task.acts and self.encoder:
            raise ValueError(
                "model.encoder = True puts a head for classes on your model, but a policy has its "
                "own head: leave it out"
            )

    def digest(self, model: FunctionalModel) -> str:
        """Compute the sha256 of the source and of the weights that are not trained.

        Of the source's file, and of those of its imports and of the modules of `folder` that they
        use.
        """
        name = self._source.module
        names = [*([] if name is None else [name]), *self.imports]
        modules = [import_module(each, self._source) for each in names]
        used, imported = files_of(modules, self.folder)
        files = [*([] if self._source.file is None else [self._source.file]), *used, *imported]
        total = CodeDigest(files[1:])
        total.update(files[0].read_bytes() if files else b"")
        total.update(model.frozen_sha256().encode())
        return total.hexdigest()

    def trusted(self) -> Self:
        """See `Model.trusted`."""
        return self.model_copy(update={"second_derivative": "trusted"})

    @property
    def modules(self) -> list[str]:
        """See `Record.modules`."""
        name = self._source.module
        return list(dict.fromkeys([*super().modules, *([name] if name is not None else [])]))

    @property
    def files(self) -> Mapping[str, str]:
        """See `Record.files`."""
        own = {} if self._source.file is None else {str(self._source): self.source}
        return {**super().files, **own}

    @property
    def _source(self) -> Source:
        return Source("model.source", self.source, self.folder, self.arguments)

    @property
    def head_layers(self) -> str | Sequence[str] | None:
        """See `Model.head_layers`."""
        return self.head

    @property
    def title(self) -> str:
        """See `Model.title`."""
        return self.source

    @property
    def normalizations(self) -> list[str] | None:
        """See `Model.normalizations`."""
        return None

    @property
    def transductive(self) -> bool | None:
        """See `Model.transductive`."""
        return False if self.statistics == "support" else None


def _check_inputs(settings: KerasModel, model: keras.Model, input_shape: tuple[int, ...]) -> None:
    """Call the model on zeros, which also builds one that is not built yet."""
    import keras

    declared = getattr(model, "inputs", None)
    if declared and len(declared) > 1:
        raise ValueError(
            f"model.source = {settings.source!r} takes {len(declared)} inputs, but the tasks have "
            "one"
        )
    if declared:
        expected = tuple(declared[0].shape[1:])
        same = len(expected) == len(input_shape) and all(
            size in (None, actual) for size, actual in zip(expected, input_shape, strict=True)
        )
        if not same:
            raise ValueError(
                f"model.source = {settings.source!r} takes examples of shape {expected}, but the "
                f"tasks have {input_shape}; change the model, or the shape that [task] gives"
                + (", or set model.encoder=true" if expected == input_shape[1:] else "")
            )
    try:
        model(keras.ops.zeros((2, *input_shape)), training=False)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"model.source = {settings.source!r} cannot be called on examples of shape "
            f"{input_shape}, as the tasks have them: {first_line(error)}"
        ) from error


def _check_vectors(settings: KerasModel, encoder: keras.Model) -> None:
    shape = getattr(encoder, "output_shape", None)
    if not getattr(encoder, "inputs", None) or not isinstance(shape, tuple) or len(shape) != 2:
        outputs = f"of shape {shape}" if shape else "of a shape that Keras does not know"
        raise ValueError(
            f"model.source = {settings.source!r} should be an encoder (model.encoder=true), with a "
            f"vector for each example, but has outputs {outputs}; pool them, and make it a "
            "functional or sequential model"
        )
