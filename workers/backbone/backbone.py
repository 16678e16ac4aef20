"""A frozen Keras model that makes a vector of each image or text."""

from __future__ import annotations

import functools
import hashlib
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.execution import runtime
from workers.models.model import Model
from workers.models.user_source import Source, check_name, find_file, import_module, load_model
from workers.user_code.files import digest_of_files
from workers.wire.protocol import Array

if TYPE_CHECKING:  # Keras is imported once TensorFlow has started
    import keras

#: The part of a .keras file that says when and by what it was written.
_WRITTEN = "metadata.json"


class Backbone:
    """A frozen model, loaded when it is first asked for features.

    Each example is computed by itself: kernels of a batch give an example other last bits at
    another place, and then a feature would depend on what else there is.

    source: where it is from; errors name it.
    """

    def __init__(self, settings: Model, input_shape: tuple[int, ...], shape_keys: str = ""):
        """Load nothing yet.

        Args:
          input_shape: of an example that is no string.
          shape_keys: the settings that change it, for errors.
        """
        assert settings.backbone is not None
        self._input_shape, self._shape_keys = input_shape, shape_keys
        self.source = Source("model.backbone", settings.backbone, settings.folder)
        self._imports = settings.imports
        self._function: Callable[[Any], Any] | None = None

    @functools.cached_property
    def digest(self) -> str:
        """The sha256 of weights and architecture, and of the modules that they need.

        Raises:
          ValueError: it cannot be read, imported or made.
        """
        name = None if self.source.file is not None else check_name(self.source)[0]
        names = [*self._imports, *([] if name is None else [name])]
        if names:  # which may compute something when they are imported
            runtime.ensure_tensorflow()
        modules = [import_module(each, self.source) for each in names]
        total = digest_of_files(modules, self.source.folder)
        if name is None:
            total.update(_content(self.source))
        else:
            for weight in self.model.weights:
                value = np.asarray(weight)
                total.update(f"{value.dtype} {value.shape} ".encode() + value.tobytes())
        return total.hexdigest()

    @functools.cached_property
    def model(self) -> keras.Model:
        """The Keras model, on the processor.

        Raises:
          ValueError: there is none.
        """
        runtime.ensure_tensorflow()
        import keras
        import tensorflow as tf

        from workers.models.keras_defaults import keras_defaults
        from workers.models.names import fresh_names

        for name in self._imports:
            import_module(name, self.source)
        keras.utils.set_random_seed(0)  # weights that a function draws are the same on each machine
        with fresh_names(), keras_defaults(), tf.device(runtime.DRIVER_DEVICE):
            return load_model(self.source, {})

    @property
    def takes_strings(self) -> bool:
        """Whether it takes texts themselves, in place of token ids."""
        from workers.backbone.checks import declared_input

        declared = declared_input(self.model)
        return declared is not None and declared.dtype == "string"

    @functools.cached_property
    def num_features(self) -> int:
        """The length of the vector.

        Raises:
          ValueError: it takes other examples, or does not make a vector of each.
        """
        from workers.backbone.checks import check_input, count_features

        check_input(self.source, self.model, self._input_shape, self._shape_keys)
        return count_features(self.source, self.model, self._input_shape)

    def features(self, inputs: Array) -> Array:
        """Compute the features of examples, each by itself.

        Args:
          inputs: numbers [n, *input_shape], or strings [n].
        Returns:
          float32 [n, num_features].
        Raises:
          ValueError: it fails on these inputs.
        """
        import tensorflow as tf

        from workers.backbone.checks import failure
        from workers.models.keras_defaults import keras_defaults

        with keras_defaults(), tf.device(runtime.DRIVER_DEVICE):
            self._function = self._function or self._graph()
            try:
                computed: Array = self._function(tf.constant(inputs)).numpy()
            except Exception as error:  # a user's layers may raise anything
                raise failure(self.source, inputs.shape[1:], error) from error
        return computed

    def _graph(self) -> Callable[[Any], Any]:
        """Make the function of a batch: one graph for any number of examples."""
        import tensorflow as tf

        from workers.backbone.checks import as_input

        output = tf.TensorSpec((self.num_features,), tf.float32)

        def one(example: Any) -> Any:
            outputs = self.model(as_input(self.model, example[None]), training=False)
            return tf.cast(outputs[0], tf.float32)

        def batch(examples: Any) -> Any:
            return tf.map_fn(one, examples, fn_output_signature=output, parallel_iterations=1)

        function: Callable[[Any], Any] = tf.function(batch, autograph=False, reduce_retracing=True)
        return function


def _content(source: Source) -> bytes:
    """Hash the parts of a .keras file. Raises ValueError if it is damaged."""
    path, total = find_file(source), hashlib.sha256()
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(set(archive.namelist()) - {_WRITTEN}):
                total.update(name.encode() + hashlib.sha256(archive.read(name)).digest())
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise ValueError(f"{source} is damaged or cannot be read: {error}") from None
    return total.digest()
