#!/usr/bin/env bash
# What: TensorFlow's converter for LiteRT (TensorFlow Lite) is given relu(x @ w) @ v, where x, w and v are
#   arguments of the function: a small network whose weights come at run time.
# Guess: The file computes what the function does, to 1e-5, with the ReLU as an operation of its own or
#   fused into the product. (This one was noticed first, by a gradient that was wrong from the second step.)
# What happens: Nothing is said, and the ReLU is gone: the file computes (x @ w) @ v, off by the size of the
#   values. If w is a constant of the file, or if the ReLU is written as tf.where, the file is right. So a
#   network is converted well, and the same network after an inner step, whose weights are no constants, not.
# Version: tensorflow 2.21.0, its own interpreter, with and without delegates
# Where it matters: Whoever exports adaptation, or a hypernetwork, to a phone. Write the ReLU as
#   tf.where(h > 0, h, 0), and compare the file with the function on a few inputs before it is shipped.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
cd "$work"
export TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=
venv/bin/python - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
x, w, v = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 3), (3, 2), (2, 2)))
PLAIN = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def network(relu, constant=False):
    def call(x, w_given, v):
        return tf.matmul(relu(tf.matmul(x, tf.constant(w) if constant else w_given)), v)

    shapes = [tf.TensorSpec(array.shape) for array in (x, w, v)]
    return tf.function(call, input_signature=shapes, autograph=False).get_concrete_function()


def of_file(function, **options):
    content = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    interpreter = tf.lite.Interpreter(model_content=content, **options)
    interpreter.allocate_tensors()
    by_shape = {array.shape: array for array in (x, w, v)}
    for each in interpreter.get_input_details():
        interpreter.set_tensor(each["index"], by_shape[tuple(each["shape"])])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


print("tensorflow", tf.__version__)
without = (x @ w) @ v
networks = {
    "tf.nn.relu": network(tf.nn.relu),
    "tf.maximum(h, 0)": network(lambda h: tf.maximum(h, 0.0)),
    "tf.nn.relu, w a constant": network(tf.nn.relu, constant=True),
    "tf.where(h > 0, h, 0)": network(lambda h: tf.where(h > 0, h, tf.zeros_like(h))),
}
wrong = []
for name, function in networks.items():
    expected = function(*map(tf.constant, (x, w, v))).numpy()
    for options in ({}, {"experimental_op_resolver_type": PLAIN}):
        error = np.abs(of_file(function, **options) - expected).max()
        lost = np.abs(of_file(function, **options) - without).max() < 1e-5
        how = "without delegates" if options else "as it is"
        print(f"{name}, {how}: off by {error:.1e}{', as without a ReLU' if lost else ''}")
        wrong.append(bool(error > 1 and lost))
assert wrong == [True] * 4 + [False] * 4
print("the ReLU behind a product of two arguments is dropped")
PYTHON
