"""Running a LiteRT file in TensorFlow's own interpreter."""

import warnings

import numpy as np
import tensorflow as tf

from workers.execution import runtime
from workers.export.signatures import ADAPT, PREDICT
from workers.wire.protocol import Array


def answers(
    content: bytes, support_inputs: Array, support_targets: Array, query_inputs: Array
) -> Array:
    """Adapt and predict one query after another: [queries, outputs]."""
    with warnings.catch_warnings(), runtime.silent():
        warnings.simplefilter("ignore")  # the interpreter moves to a package of its own
        interpreter = tf.lite.Interpreter(model_content=content)
    adapt = interpreter.get_signature_runner(ADAPT)
    predict = interpreter.get_signature_runner(PREDICT)
    state = adapt(support_inputs=support_inputs, support_targets=support_targets)["state"]
    each = [predict(state=state, query_inputs=query[None]) for query in query_inputs]
    return np.concatenate([answer["outputs"] for answer in each])
