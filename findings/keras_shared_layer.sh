#!/usr/bin/env bash
# What: Two Keras models share a layer, a third holds both; it is saved as .keras and loaded.
# Guess: The layer is saved once, and the loaded model shares it again.
# What happens: It saves without a word. The layer's weights are written once, under the model that comes
#   first; loading makes two layers, finds no weights for the second one, and raises. The file cannot
#   be loaded. `clone_model` makes two layers as well, silently: 4 weights become 6.
# Version: keras 3.15.1 (here on jax, the lighter install; the same on tensorflow 2.21.0)
# Where it matters: An encoder shared by two heads, or by an adapter and a base model, trains for a day and
#   is saved into a file that nothing reads. Load right after the first save, keep the weights
#   (`get_weights`) beside the code that builds the model, or make the shared layer a model of its own
#   at the top level.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 numpy==2.4.6 h5py==3.14.0
cd "$work"
export KERAS_BACKEND=jax
venv/bin/python - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import io
import zipfile

import h5py
import keras
from keras import layers


def built():
    shared = layers.Dense(3, name="shared")
    first, second, both = keras.Input((2,)), keras.Input((2,)), keras.Input((2,))
    one = keras.Model(first, shared(first), name="one")
    two = keras.Model(second, layers.Dense(1)(shared(second)), name="two")
    return keras.Model(both, [one(both), two(both)])


def weights_of(path):
    names = []
    with zipfile.ZipFile(path) as archive:
        file = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
        file.visititems(lambda _, thing: names.append(getattr(thing, "shape", None)))
    return sorted(shape for shape in names if shape is not None)


print("keras", keras.__version__)
model = built()
model.save("both.keras")
print("weights of the model", len(model.weights), "in the file", weights_of("both.keras"))
assert len(model.weights) == 4
assert weights_of("both.keras") == [(1,), (2, 3), (3,), (3, 1)]
try:
    keras.models.load_model("both.keras")
except ValueError as error:
    said = str(error).replace("\n", " ")
    print("loading raises:", said[:170])
    assert "'shared' expected 2 variables, but received 0" in said
else:
    raise AssertionError("the file can be loaded")
cloned = keras.models.clone_model(model)
print("weights of the clone", len(cloned.weights))
assert len(cloned.weights) == 6
print("what was saved without an error cannot be loaded")
PYTHON
