#!/usr/bin/env bash
# What: A Keras optimizer with `use_ema=True` and `gradient_accumulation_steps=4`.
# Guess: The moving average of the weights moves once for each update of the weights, so that the same
#   gradients give the same average with and without accumulation.
# What happens: The weights are equal, the average is not: it moves at every call, also at the three of
#   four that only add up gradients and leave the weights alone. What the average remembers fades by
#   m ** 4 for each update in place of m. `iterations` does count updates alone.
# Version: keras 3.15.1 (here on jax, the lighter install; the same on tensorflow 2.21.0)
# Where it matters: Cutting a meta-batch into four changes the averaged weights that are evaluated,
#   although theta is the same, and no other momentum makes up for it. Average by yourself, once for
#   each outer step.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q keras==3.15.1 jax==0.10.2 numpy==2.4.6
cd "$work"
export KERAS_BACKEND=jax
venv/bin/python - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import keras


def train(updates, steps, momentum):
    """(weight, averaged weight, iterations) after updates by a gradient of 1 at rate 1."""
    weight = keras.Variable([0.0])
    optimizer = keras.optimizers.SGD(
        1.0, use_ema=True, ema_momentum=momentum, gradient_accumulation_steps=steps
    )
    for _ in range(updates * (steps or 1)):
        optimizer.apply([keras.ops.ones(1)], [weight])
    plain = float(weight[0])
    optimizer.finalize_variable_values([weight])
    return plain, float(weight[0]), int(optimizer.iterations)


print("keras", keras.__version__)
once, in_four = train(3, None, 0.5), train(3, 4, 0.5)
print("three updates, momentum 0.5:   weight, average, iterations", once)
print("the same, gradients in four:  ", in_four)
print("the same, momentum 0.5 ** 1/4:", train(3, 4, 0.5**0.25))
assert once == (-3.0, -2.25, 3)
assert in_four == (-3.0, -2.46875, 3)
print("equal weights, another average")
PYTHON
