"""Keras' global settings: while metatrain builds or calls a model they are Keras' own defaults.

They come from a keras.json, from the environment, or from a script that calls `keras.config`, and
each would make another network of the same configuration. They are set back afterwards, so that
whoever else uses Keras in this process keeps their own.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
from keras.src.backend import config
from keras.src.backend.common import global_state

_LOCK = threading.RLock()
_DEFAULTS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
#: Of each thread its own. None: Keras decides.
_THREAD_DEFAULTS = {"dtype_policy": "float32", "flash_attention": None}


@contextlib.contextmanager
def keras_defaults() -> Iterator[None]:
    """Within: floats are float32, channels come last, and so on, whoever set what before."""
    with _LOCK:
        shared = {name: getattr(config, name)() for name in _DEFAULTS}
        own = {name: global_state.get_global_attribute(name) for name in _THREAD_DEFAULTS}
        try:
            policy = keras.DTypePolicy(_THREAD_DEFAULTS["dtype_policy"])
            _set(_DEFAULTS, {**_THREAD_DEFAULTS, "dtype_policy": policy})
            yield
        finally:
            _set(shared, own)


def changed_defaults() -> list[str]:
    """Within `keras_defaults`: what is not a default any more, with its value."""
    found: dict[str, Any] = {name: getattr(config, name)() for name in _DEFAULTS}
    found["dtype_policy"] = keras.config.dtype_policy().name
    found["flash_attention"] = keras.config.is_flash_attention_enabled()
    expected = _DEFAULTS | _THREAD_DEFAULTS
    return [f"{name} = {value!r}" for name, value in found.items() if value != expected[name]]


def _set(shared: dict[str, Any], own: dict[str, Any]) -> None:
    for name, value in shared.items():
        getattr(config, f"set_{name}")(value)
    for name, value in own.items():
        global_state.set_global_attribute(name, value)
