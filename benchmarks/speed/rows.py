"""The speed of a transformer's matrix products by their number of rows, on one thread under XLA.

    python benchmarks/speed/rows.py [--rounds 30]

A task's support set has 640 tokens (10 texts of 64 characters). All tasks of a block share theta in
the first inner step, so their tokens could be one product; this shows what that could win.
"""

import argparse
import statistics
import time

import numpy as np

from workers.execution import runtime

#: Columns of the weights of a layer: queries, keys and values; output; the two feed-forward ones.
PRODUCTS = ((64, 192), (64, 64), (64, 256), (256, 64))
ROWS = (640, 2560, 10240)


def main() -> None:
    """Print GFLOP/s for each number of rows, measured in turn."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    runtime.start_tensorflow(0)
    import tensorflow as tf

    rng = np.random.default_rng(0)
    weights = [tf.constant(rng.normal(size=shape).astype(np.float32)) for shape in PRODUCTS]
    multiply = tf.function(
        lambda inputs: [tf.matmul(x, w) for x, w in zip(inputs, weights, strict=True)],
        jit_compile=True,
        autograph=False,
    )
    inputs = {
        rows: [
            tf.constant(rng.normal(size=(rows, shape[0])).astype(np.float32)) for shape in PRODUCTS
        ]
        for rows in ROWS
    }
    rates: dict[int, list[float]] = {rows: [] for rows in ROWS}
    for some in inputs.values():
        multiply(some)
    for _ in range(arguments.rounds):
        for rows, some in inputs.items():
            times = max(1, ROWS[-1] // rows)
            started = time.perf_counter()
            for _ in range(times):
                multiply(some)
            seconds = (time.perf_counter() - started) / times
            flop = sum(2 * rows * a * b for a, b in PRODUCTS)
            rates[rows].append(flop / seconds / 1e9)
    for rows, measured in rates.items():
        print(f"{rows} rows: {statistics.median(measured):.1f} GFLOP/s")


if __name__ == "__main__":
    main()
