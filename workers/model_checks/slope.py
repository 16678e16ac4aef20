"""A layer's first derivative along a direction, compared with differences of its values.

An operation whose gradient is another function's can still have the second derivative that fits
it, as Keras' image transformations do: their gradient is the inverse transformation's values.
"""

import numpy as np

from workers.model_checks.hessian import LayerCall, along, rounds, setting

#: Steps of the differences, and by how much two of them may part, for float64 and for float32.
_STEPS, _BOUND = (1e-6, 1e-7), 1e-4
_COARSE_STEPS, _COARSE_BOUND = (1e-2, 3e-3), 3e-2


def error_of_first(call: LayerCall, seed: int) -> float:
    """Return the relative error of the first derivative at a point; 0.0 if it is right.

    Also 0.0 where two steps' differences do not agree, since nothing is known then, and for a
    layer of metatrain whose `derivative_leaves_out` what has no effect in its model.
    """
    if getattr(call.layer, "derivative_leaves_out", False):
        return 0.0
    objective, point, v = setting(call, seed)
    ours = float(along(objective, v)(point))
    coarse = rounds(objective, point)
    steps, bound = (_COARSE_STEPS, _COARSE_BOUND) if coarse else (_STEPS, _BOUND)
    values = [
        [
            float(objective([z + sign * step * d for z, d in zip(point, v, strict=True)]))
            for sign in (1, -1)
        ]
        for step in steps
    ]
    quotients = np.array(
        [(ahead - behind) / (2 * step) for (ahead, behind), step in zip(values, steps, strict=True)]
    )
    size = max(abs(ours), *np.abs(quotients), 1e-6)
    spread, errors = abs(quotients[0] - quotients[1]) / size, np.abs(quotients - ours) / size
    known = np.isfinite(size) and spread < bound
    error = float(errors.min())
    return error if known and error > 10 * bound else 0.0
