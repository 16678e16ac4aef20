"""Build Keras models in float64, where finite differences and closed forms are exact."""

import contextlib

import keras
import pytest

from workers.models import keras_defaults


@contextlib.contextmanager
def in_float64():
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        with pytest.MonkeyPatch.context() as patch:  # a run's own defaults, too
            patch.setitem(keras_defaults._DEFAULTS, "floatx", "float64")
            patch.setitem(keras_defaults._THREAD_DEFAULTS, "dtype_policy", "float64")
            yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
