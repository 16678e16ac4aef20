#!/usr/bin/env bash
# What: A traced tf.function is called by itself, and then inside another tf.function that feeds it the same
#   float32 values.
# Guess: A traced function is a unit: it gives the same bits wherever it is called. (This one was noticed
#   first, when a training loop in a graph came to other weights than its single steps.)
# What happens: The caller's graph is optimized with the function inlined. A product with a constant before
#   the call and one inside it become one product, rounded once: a quarter of the numbers differ in the
#   last bit. A `DeepCopy` between the two keeps the bits; so does jit_compile=True on the inner function.
# Version: tensorflow 2.21.0, CPU
# Where it matters: Whoever moves a loop into a graph for speed, and promises the same weights. Compare with
#   the loop outside before and after; put raw_ops.DeepCopy where the function begins, or compile it.
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

share = tf.constant(np.float32(1 / 3))
rate = tf.constant(0.001)


def scaled(x):
    return x * rate


plain, compiled = tf.function(scaled), tf.function(scaled, jit_compile=True)


def inside(function, between=lambda x: x):
    return tf.function(lambda x: function(between(x * share)))


print("tensorflow", tf.__version__)
values = tf.constant(np.random.default_rng(0).normal(size=100_000).astype(np.float32))
alone = plain(values * share).numpy()
assert np.array_equal(alone, compiled(values * share).numpy())
differ = {
    "called in another function": inside(plain),
    "the same, behind DeepCopy": inside(plain, lambda x: tf.raw_ops.DeepCopy(x=x)),
    "the same, itself compiled by XLA": inside(compiled),
}
found = {name: float(np.mean(call(values).numpy() != alone)) for name, call in differ.items()}
for name, part in found.items():
    print(f"{name}: {part:.1%} of the numbers differ")
first, copy, xla = found.values()
assert first > 0.1
assert copy == xla == 0
print("a function's bits depend on the graph around it")
PYTHON
