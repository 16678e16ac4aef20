#!/usr/bin/env bash
# What: A Keras Dropout layer, called for each task by `tf.map_fn` and by `tf.vectorized_map`.
# Guess: Either gives each task a mask of its own, as `tf.nn.dropout` does in both.
# What happens: `tf.map_fn` draws a mask for each task. `tf.vectorized_map` draws one for all: the layer's
#   seed does not depend on the task, so its update is not mapped and runs once. GaussianNoise gives
#   all tasks the same noise in the same way. No error, no warning.
# Version: keras 3.15.1, tensorflow 2.21.0
# Where it matters: A fast inner loop over tasks by `vectorized_map` trains all tasks of a meta-batch with
#   one dropout mask; the outer gradient is noisier, and not what the loop over tasks computes. Hand
#   each task a seed of its own through `stateless_call`, or seed dropout by the task's index.
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

TASKS = tf.ones((8, 64))


def kinds(mapped, of):
    """How many of the eight tasks' results differ."""
    return len(np.unique(mapped(of, TASKS).numpy(), axis=0))


def keras_dropout(task):
    return dropout(task, training=True)


def keras_noise(task):
    return noise(task, training=True)


def own_seed(task_and_seed):
    task, seed = task_and_seed
    return dropout.stateless_call([], [seed], task, training=True)[0]


print("keras", keras.__version__, "tensorflow", tf.__version__)
dropout, noise = keras.layers.Dropout(0.5, seed=1), keras.layers.GaussianNoise(1.0, seed=1)
found = {
    "Dropout": (kinds(tf.map_fn, keras_dropout), kinds(tf.vectorized_map, keras_dropout)),
    "GaussianNoise": (kinds(tf.map_fn, keras_noise), kinds(tf.vectorized_map, keras_noise)),
    "tf.nn.dropout": (
        kinds(tf.map_fn, lambda task: tf.nn.dropout(task, 0.5)),
        kinds(tf.vectorized_map, lambda task: tf.nn.dropout(task, 0.5)),
    ),
}
for name, (one_by_one, vectorized) in found.items():
    print(f"{name}: different masks of 8 tasks: map_fn {one_by_one}, vectorized_map {vectorized}")
seeds = tf.cast(tf.stack([tf.range(8), tf.zeros(8, tf.int32)], axis=1), tf.uint32)
seeded = tf.vectorized_map(own_seed, (TASKS, seeds)).numpy()
print("vectorized_map with a seed for each task:", len(np.unique(seeded, axis=0)))
assert found == {"Dropout": (8, 1), "GaussianNoise": (8, 1), "tf.nn.dropout": (8, 8)}
assert len(np.unique(seeded, axis=0)) == 8
print("all tasks have one mask")
PYTHON
