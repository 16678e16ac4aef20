"""JAX: all tasks at once (jit of vmap), or one after another in a compiled loop (jit of scan)."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from processes import Work

from peers.check import gradients
from peers.problem import Episodes, Problem
from workers.wire.protocol import Vector


def make(problem: Problem, threads: int, style: str) -> Work:
    """Make work whose step sums the outer gradients of the problem's tasks.

    Args:
      style: words. "vmap": of each task's gradient; "grad-vmap": the gradient of the sum of the
        tasks' losses; "scan": a loop over tasks. "patches": see `jax_model`. "specs": episodes
        are built from their specs and go in as numpy arrays, as theta does, and the gradient
        comes out as one, as in metatrain; otherwise all stay on JAX's device.
    """
    os.environ["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    import jax

    words = style.split()
    gradient = jax.jit(_summed(problem, words))

    theta = list(problem.theta)
    ready = jax.device_put((theta, problem.episodes))

    def flat_sum(episodes: Episodes) -> Vector:
        return np.concatenate([np.asarray(g).ravel() for g in gradient(theta, episodes)])

    def from_specs() -> Vector:
        return flat_sum(problem.build())

    def from_device() -> Any:
        return jax.block_until_ready(gradient(*ready))

    step = from_specs if "specs" in words else from_device
    return Work(step, problem.num_tasks, gradients(problem, flat_sum))


def _summed(problem: Problem, words: list[str]) -> Callable[..., Any]:
    """Make the function (theta, episodes) -> the sum over tasks of their outer gradients."""
    import jax
    import jax.numpy as jnp

    from peers import jax_model

    loss, rate = jax_model.loss(problem, "patches" in words), problem.inner_lr

    def after(theta: Any, task: Episodes) -> Any:
        inner = jax.grad(loss)(theta, task.inner_inputs[0], task.inner_targets[0])
        adapted = [w - rate * g for w, g in zip(theta, inner, strict=True)]
        return loss(adapted, task.query_inputs, task.query_targets)

    def reptile(theta: Any, task: Episodes) -> Any:
        adapted, moments = theta, [jnp.zeros_like(w) for w in theta]
        for step in range(len(task.inner_inputs)):
            gradient = jax.grad(loss)(adapted, task.inner_inputs[step], task.inner_targets[step])
            adapted, moments = jax_model.adam_step(adapted, gradient, moments, step, rate)
        return [w - a for w, a in zip(theta, adapted, strict=True)]

    outer = reptile if problem.algorithm == "reptile" else jax.grad(after)

    def vmapped(theta: Any, tasks: Episodes) -> Any:
        return [g.sum(0) for g in jax.vmap(outer, (None, 0))(theta, tasks)]

    def grad_of_vmap(theta: Any, tasks: Episodes) -> Any:
        return jax.grad(lambda theta: jax.vmap(after, (None, 0))(theta, tasks).sum())(theta)

    def scanned(theta: Any, tasks: Episodes) -> Any:
        def body(total: Any, task: Episodes) -> Any:
            return [t + g for t, g in zip(total, outer(theta, task), strict=True)], None

        return jax.lax.scan(body, [jnp.zeros_like(w) for w in theta], tasks)[0]

    return {"vmap": vmapped, "grad-vmap": grad_of_vmap, "scan": scanned}[words[0]]
