#!/usr/bin/env bash
# What: A Keras optimizer with `clipnorm` or `global_clipnorm`, and an Embedding whose token repeats.
# Guess: The gradient that is applied has at most that norm.
# What happens: The gradient of an Embedding is a list of rows, one for each place of each text. The norm
#   is taken over that list before rows of one token are added up. A token that stands n times counts
#   sqrt(n) times too little: with 100 places, clipping to 1 lets a norm of 10 pass.
#   `tf.linalg.global_norm` and `tf.clip_by_global_norm` do the same.
# Version: keras 3.15.1, tensorflow 2.21.0
# Where it matters: Padding, spaces and frequent characters are the tokens that repeat, so on texts the
#   outer step is clipped far less than what stands in the configuration, the less the longer the
#   texts. Turn the gradient into a dense tensor (`tf.convert_to_tensor`) before it is clipped.
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


def applied(places, dense, **clip):
    """The norm of the step of SGD at rate 1 for one text of `places` times token 0."""
    layer = keras.layers.Embedding(3, 2, embeddings_initializer="zeros")
    layer.build((None,))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.zeros([1, places], tf.int32))[..., 0])
    gradients = tape.gradient(loss, layer.trainable_variables)
    if dense:
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
    keras.optimizers.SGD(1.0, **clip).apply(gradients, layer.trainable_variables)
    return round(float(np.linalg.norm(layer.embeddings)), 3)


print("keras", keras.__version__, "tensorflow", tf.__version__)
for clip in ({"clipnorm": 1.0}, {"global_clipnorm": 1.0}):
    norms = {places: applied(places, False, **clip) for places in (1, 4, 100)}
    right = {places: applied(places, True, **clip) for places in (1, 4, 100)}
    print(f"{clip}: norm of the step by places {norms}, of a dense gradient {right}")
    assert norms == {1: 1.0, 4: 2.0, 100: 10.0}
    assert right == {1: 1.0, 4: 1.0, 100: 1.0}
rows = tf.IndexedSlices(tf.ones([100, 1]), tf.zeros([100], tf.int32), tf.constant([3, 1]))
norm = float(tf.linalg.global_norm([rows])), float(tf.norm(tf.convert_to_tensor(rows)))
print("tf.linalg.global_norm", norm[0], "where the norm is", norm[1])
assert norm == (10.0, 100.0)
print("a norm that is clipped to 1 is 10")
PYTHON
