"""Keras' global settings, reset to Keras' own defaults while metatrain builds or calls a model.

A keras.json, the environment, or a script that calls `keras.config` may change them, and each
change would turn the same configuration into another network. They are restored afterwards, for
other code in the process that uses Keras.
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
#: Settings of each thread. None: Keras decides.
_THREAD_DEFAULTS = {"dtype_policy": "float32", "flash_attention": None}


@contextlib.contextmanager
def keras_defaults() -> Iterator[None]:
    """Reset Keras' settings within: float32, channels last, and so on."""
    with _LOCK:
        shared = {name: getattr(config, name)() for name in _DEFAULTS}
        of_thread = {name: global_state.get_global_attribute(name) for name in _THREAD_DEFAULTS}
        try:
            policy = keras.DTypePolicy(_THREAD_DEFAULTS["dtype_policy"])
            _set(_DEFAULTS, {**_THREAD_DEFAULTS, "dtype_policy": policy})
            yield
        finally:
            _set(shared, of_thread)


def changed_defaults() -> list[str]:
    """List the settings that have changed within `keras_defaults`, with their values."""
    values: dict[str, Any] = {name: getattr(config, name)() for name in _DEFAULTS}
    values["dtype_policy"] = keras.config.dtype_policy().name
    values["flash_attention"] = keras.config.is_flash_attention_enabled()
    expected = _DEFAULTS | _THREAD_DEFAULTS
    return [f"{name} = {value!r}" for name, value in values.items() if value != expected[name]]


def _set(shared: dict[str, Any], of_thread: dict[str, Any]) -> None:
    for name, value in shared.items():
        getattr(config, f"set_{name}")(value)
    for name, value in of_thread.items():
        global_state.set_global_attribute(name, value)
