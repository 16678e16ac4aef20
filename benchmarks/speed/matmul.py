"""The rate of large matrix products, the unit of other rates."""

import time

from processes import Work

SIZE = 1024
GFLOP = 2 * SIZE**3 / 1e9


def make() -> Work:
    """Make work whose step is a product of two 1024 x 1024 float32 matrices, on one thread."""
    from workers.execution import runtime

    runtime.start_tensorflow(0)
    import tensorflow as tf

    a = tf.random.normal((SIZE, SIZE))
    product = tf.function(lambda a: a @ a)
    product(a)
    return Work(lambda: product(a).numpy(), GFLOP)


def best_gflops() -> float:
    """Return the best rate of ten products in this process, GFLOP/s."""
    step, times = make().step, []
    for _ in range(10):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return GFLOP / min(times)
