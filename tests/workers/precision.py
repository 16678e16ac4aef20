"""Build Keras models in float64, where finite differences and closed forms are exact."""

import contextlib

import keras


@contextlib.contextmanager
def in_float64():
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
