#!/usr/bin/env bash
# What: `jax.random.normal` in bfloat16, 200 000 draws.
# Guess: Normal numbers, rounded to bfloat16: thousands of different values, the largest near 4.5.
# What happens: 128 different values in all, and none beyond 2.9. The uniform number beneath has the 7 bits of
#   bfloat16's mantissa, and each of its values becomes one normal number. Mean and deviation
#   look right. In float16 there are 1024, the largest 3.5. `uniform` in bfloat16 is exactly 0
#   once in 128 draws.
# Version: jax 0.10.2
# Where it matters: Weights drawn in bfloat16 have many equal entries, noise for exploration or evolution
#   strategies has no tails, and log(uniform) is -inf in every batch. Draw in float32 and convert.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$work"
export JAX_PLATFORMS=cpu
venv/bin/python - <<'PYTHON'
import jax
import jax.numpy as jnp
import numpy as np

KEY, NUMBER = jax.random.key(0), 200_000


def look(what, drawn):
    values = np.asarray(drawn.astype(jnp.float32))
    found = np.unique(values).size, float(abs(values).max()), float(values.std())
    print(f"{what}: {found[0]} different values, largest {found[1]:.3f}, deviation {found[2]:.3f}")
    return found


print("jax", jax.__version__)
drawn = look("drawn in bfloat16    ", jax.random.normal(KEY, (NUMBER,), jnp.bfloat16))
half = look("drawn in float16     ", jax.random.normal(KEY, (NUMBER,), jnp.float16))
single = jax.random.normal(KEY, (NUMBER,))
rounded = look("float32, then rounded", single.astype(jnp.bfloat16))
zeros = float((jax.random.uniform(KEY, (NUMBER,), jnp.bfloat16) == 0).mean())
print(f"uniform in bfloat16 is 0 in {zeros:.2%} of the draws, 1 in {1 / zeros:.0f}")
assert drawn[0] == 128 and drawn[1] < 2.9 and 0.98 < drawn[2] < 1.02
assert half[0] == 1024 and half[1] < 3.6
assert rounded[0] > 2000 and rounded[1] > 4
assert 0.007 < zeros < 0.0085
print("a normal distribution of 128 values")
PYTHON
