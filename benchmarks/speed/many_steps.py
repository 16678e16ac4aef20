"""Outer steps a second of the default command's training, beside JAX's `lax.scan` over steps.

    python benchmarks/speed/many_steps.py [--steps 1000] [--rounds 7]

JAX is no dependency: pip install jax. Both train the preset `sinusoid` (MAML, one inner step, 25
tasks of 10 and 10 points, an MLP of 40 and 40, Adam at 1e-3) in this process, and both sample their
tasks: ours with numpy's Philox in a thread of its own, JAX's with `jax.random` inside the scan, or
with our numpy code ahead of a scan ("arrays ready" does not count that time). They take turns; the
figures are medians over rounds, the ratios are of one round. After as many steps both must have
learned: the mean loss after adaptation over the last steps is printed beside.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np

from orchestrator.config.schema import load
from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate
from orchestrator.run.launch import launch
from workers.tasks.registry import make_family

_BETAS, _EPSILON = (0.9, 0.999), 1e-7


def ours() -> Iterator[float]:
    """Yield each step's loss after adaptation, as a run does between two validations."""
    config, _ = load("sinusoid", {"workers.count": 0, "outer.steps": 10**7})
    launched = launch(config, make_family(config.task), {}, say=lambda text: None)
    outer = OuterUpdate(config.outer, launched.initial_state())
    for report in meta_train(config, launched.family, launched.pool, outer, lambda done: 1000):
        yield report.metrics["loss_after"]


def jax_scan(steps: int) -> Callable[[], float]:
    """Make a call of as many steps of JAX; it returns the last loss."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    config, _ = load("sinusoid", {"workers.count": 0})
    family = make_family(config.task)
    start = launch(config, family, {}, say=lambda text: None).initial_state()
    task, tasks = config.task, config.outer.meta_batch_size
    inner_lr, lr = config.algorithm.inner_lr, config.outer.lr
    first, second = _BETAS

    def loss(theta: Any, x: Any, y: Any) -> Any:
        hidden = x
        for kernel, bias in zip(theta[:-2:2], theta[1:-2:2], strict=True):
            hidden = jax.nn.relu(hidden @ kernel + bias)
        return jnp.mean((hidden @ theta[-2] + theta[-1] - y) ** 2)

    def sample(key: Any) -> Any:
        amplitude, phase, inputs = jax.random.split(key, 3)
        a = jax.random.uniform(amplitude, (tasks, 1, 1), minval=0.1, maxval=5.0)
        p = jax.random.uniform(phase, (tasks, 1, 1), maxval=jnp.pi)
        shape = (tasks, task.shots + task.queries, 1)
        x = jax.random.uniform(inputs, shape, minval=-5.0, maxval=5.0)
        return x, a * jnp.sin(x - p)

    def outer_loss(theta: Any, x: Any, y: Any) -> Any:
        def one(x: Any, y: Any) -> Any:
            gradient = jax.grad(loss)(theta, x[: task.shots], y[: task.shots])
            adapted = [w - inner_lr * g for w, g in zip(theta, gradient, strict=True)]
            return loss(adapted, x[task.shots :], y[task.shots :])

        return jnp.mean(jax.vmap(one)(x, y))

    def step(state: Any, _: Any) -> Any:
        theta, mean, square, count, key = state
        key, own = jax.random.split(key)
        found, gradient = jax.value_and_grad(outer_loss)(theta, *sample(own))
        count += 1
        mean = [first * m + (1 - first) * g for m, g in zip(mean, gradient, strict=True)]
        square = [second * v + (1 - second) * g * g for v, g in zip(square, gradient, strict=True)]
        rate = lr * jnp.sqrt(1 - second**count) / (1 - first**count)
        rows = zip(theta, mean, square, strict=True)
        theta = [w - rate * m / (jnp.sqrt(v) + _EPSILON) for w, m, v in rows]
        return (theta, mean, square, count, key), found

    scan = jax.jit(lambda state: lax.scan(step, state, None, length=steps))
    theta = [jnp.asarray(w) for w in start.theta]
    zeros = [jnp.zeros_like(w) for w in theta]
    state = [(theta, zeros, zeros, jnp.zeros(()), jax.random.key(0))]

    def call() -> float:
        state[0], losses = scan(state[0])
        return float(np.mean(np.asarray(losses)))

    return call


def main() -> None:
    """Print a line for each side, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    reports = ours()

    def own() -> float:
        return float(np.mean(list(itertools.islice(reports, given.steps))))

    sides = {"metatrain": own, "JAX, lax.scan": jax_scan(given.steps)}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    losses: dict[str, float] = {}
    for turn in range(given.rounds + 1):
        for name, call in sides.items():
            began = time.perf_counter()
            losses[name] = call()
            if turn:  # the first one compiles
                rates[name].append(given.steps / (time.perf_counter() - began))
    for name, found in rates.items():
        print(f"{name:14} {median(found):7.0f} steps/s (loss after adaptation {losses[name]:.2f})")
    ratios = [a / b for a, b in zip(*rates.values(), strict=True)]
    print(f"ours / JAX's   {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
