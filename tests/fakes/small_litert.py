"""LiteRT files of small runs, and an interpreter for them."""

import importlib.util
import sys
import types

from orchestrator.cli.export_command import Form, export_standalone


def litert_of(run, file, classes=None, examples=None):
    """The run as a LiteRT file."""
    export_standalone(str(run), file, Form.LITERT, classes, examples)
    return file


def use_an_interpreter(monkeypatch):
    """Have TensorFlow's own interpreter in the place of ai-edge-litert's, if that is missing."""
    if importlib.util.find_spec("ai_edge_litert") is not None:
        return
    import tensorflow as tf

    module = types.ModuleType("ai_edge_litert.interpreter")
    module.Interpreter = tf.lite.Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert", types.ModuleType("ai_edge_litert"))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
