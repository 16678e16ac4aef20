#!/usr/bin/env bash
# What: x[:, ::2] and x[:, ::2, ::2] of float32 images [10, 28, 28, 64], on one thread, against tf.gather of the
#   same rows, which copies the same bytes.
# Guess: Both copy runs of 64 floats or more, so they take about as long; if any, the slice is faster.
# What happens: A slice with a step takes 16 to 35 times as long as the gather, and 45 times and more as long
#   as numpy's copy: some 14 ns a number, whatever the length of the runs. A slice of the same size without a step
#   takes two or three times as long as the gather.
# Version: tensorflow 2.21.0, CPU
# Where it matters: Every second frame, row or token; convolutions written as patches. Use tf.gather with a
#   constant list of rows.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
cd "$work"
export TF_CPP_MIN_LOG_LEVEL=3 CUDA_VISIBLE_DEVICES=
venv/bin/python - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import time

import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def least_us(function):
    times = []
    for _ in range(50):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return 1e6 * min(times)


print("tensorflow", tf.__version__)
x = tf.random.normal([10, 28, 28, 64])
places = np.arange(28 * 28).reshape(28, 28)
pixels = tf.reshape(x, [10, 28 * 28, 64])
array = x.numpy()
cases = {
    "x[:, ::2]": (lambda: x[:, ::2], lambda: array[:, ::2].copy(), places[::2]),
    "x[:, ::2, ::2]": (lambda: x[:, ::2, ::2], lambda: array[:, ::2, ::2].copy(), places[::2, ::2]),
    "x[:, :14]": (lambda: x[:, :14], lambda: array[:, :14].copy(), places[:14]),
}
ratios = []
for name, (sliced, copied, chosen) in cases.items():
    rows = tf.constant(chosen.ravel(), tf.int32)
    gathered = lambda: tf.gather(pixels, rows, axis=1)
    assert np.array_equal(sliced().numpy().ravel(), gathered().numpy().ravel())
    assert np.array_equal(sliced(), copied())
    us = [least_us(each) for each in (sliced, gathered, copied)]
    print(f"{name}: slice {us[0]:.0f} us, gather {us[1]:.0f} us, numpy {us[2]:.0f} us")
    ratios.append(us[0] / us[1])
assert min(ratios[:2]) > 6
assert ratios[2] < 6
print("a step makes a slice many times as slow as a gather of the same rows")
PYTHON
