#!/usr/bin/env bash
# What: The accuracy of a classifier whose outputs are all NaN, by Keras' metric.
# Guess: 0, or NaN.
# What happens: Exactly chance: 0.2 in balanced 5-way tasks. The argmax of a row of NaN is its first place, so
#   that every query of class 0 counts as right. Where one output is NaN, TensorFlow's argmax passes
#   over it and takes the largest number, where numpy takes the NaN. Top-2 accuracy does give 0.
# Version: keras 3.15.1, tensorflow 2.21.0
# Where it matters: A task on which adaptation diverged scores like a model that learned nothing, and a mean
#   over tasks shows no trace of it. Count tasks whose loss is not finite, and report them beside the
#   accuracy.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q tensorflow==2.21.0 keras==3.15.1 numpy==2.4.6
cd "$work"
export TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow
venv/bin/python - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import keras
import numpy as np
import tensorflow as tf

NAN = float("nan")
labels = np.repeat(np.arange(5), 15)


def score(metric, outputs):
    metric.update_state(labels, outputs)
    return round(float(metric.result()), 6)


print("keras", keras.__version__, "tensorflow", tf.__version__)
lost = np.full((75, 5), NAN, np.float32)
right = np.eye(5, dtype=np.float32)[labels]
right_but_one = np.where(np.arange(5) == 0, NAN, right)
accuracy = keras.metrics.SparseCategoricalAccuracy
found = {
    "all outputs NaN": score(accuracy(), lost),
    "the outputs of class 0 NaN": score(accuracy(), right_but_one),
    "top 2, all outputs NaN": score(keras.metrics.SparseTopKCategoricalAccuracy(2), lost),
}
for what, value in found.items():
    print(f"5 ways, 15 queries each, {what}: {value}")
row = np.array([1.0, NAN, 3.0, 2.0], np.float32)
print("argmax of", row, "TensorFlow", int(tf.argmax(row)), "numpy", int(np.argmax(row)))
assert found["all outputs NaN"] == 0.2
assert found["the outputs of class 0 NaN"] == 0.8
assert found["top 2, all outputs NaN"] == 0.0
assert (int(tf.argmax(row)), int(np.argmax(row))) == (2, 1)
print("a diverged task scores exactly chance")
PYTHON
