"""The packages that an ONNX file is made with."""

import importlib.util

#: The suffix of such files.
SUFFIX = ".onnx"


def check_packages(suffix: str) -> None:
    """Raise ValueError if a package that a file of this suffix needs is not installed."""
    for name in ("tf2onnx", "onnxruntime") if suffix == SUFFIX else ():
        if importlib.util.find_spec(name) is None:
            raise ValueError(
                f"an ONNX file needs {name}, which is not installed; install it: pip install "
                "'metatrain[onnx]'"
            )
