"""PyTorch, all tasks at once: torch.func's vmap over grad."""

from collections.abc import Callable
from typing import Any

import torch
from processes import Work
from torch.func import grad, vmap

from peers import torch_model
from peers.check import gradients
from peers.problem import Episodes, Problem
from peers.torch_model import Weights
from workers.wire.protocol import Vector


def make(problem: Problem, threads: int, style: str) -> Work:
    """Make work whose step sums the outer gradients of the problem's tasks.

    Args:
      style: "vmap of grad" sums gradients of each task; "grad of vmap" differentiates the sum of
        the tasks' losses, with batch normalization written out, since the second derivative of
        the native one is false there (PyTorch 2.13: 20 % of a small network's gradient in
        float64, while "vmap of grad" is right); "compiled": "vmap of grad" by torch.compile.
    """
    torch.set_num_threads(threads)
    theta = torch_model.to_torch(problem)
    outer = _reptile(problem) if problem.algorithm == "reptile" else _maml(problem)

    def vmap_of_grad(theta: Weights, *tasks: torch.Tensor) -> Weights:
        return [g.sum(0) for g in vmap(outer, (None, 0, 0, 0, 0))(theta, *tasks)]

    def grad_of_vmap(theta: Weights, *tasks: torch.Tensor) -> Weights:
        losses = vmap(_after(problem, native=False), (None, 0, 0, 0, 0))(theta, *tasks)
        return torch.autograd.grad(losses.sum(), theta)

    if style == "grad of vmap":
        theta = [w.requires_grad_() for w in theta]
    styles = {
        "vmap of grad": vmap_of_grad,
        "grad of vmap": grad_of_vmap,
        "compiled": torch.compile(vmap_of_grad),
    }
    summed = styles[style]

    def flat_sum(episodes: Episodes) -> Vector:
        tasks = torch_model.to_tensors(problem, episodes)
        return torch_model.from_torch(problem, summed(theta, *tasks))

    tasks = torch_model.to_tensors(problem, problem.episodes)
    return Work(lambda: summed(theta, *tasks), problem.num_tasks, gradients(problem, flat_sum))


def _after(problem: Problem, native: bool = True) -> Callable[..., torch.Tensor]:
    """Make the function of the query loss after MAML's one inner step."""
    loss, rate = torch_model.loss(problem, native), problem.inner_lr

    def after(theta: Weights, inputs: Any, targets: Any, *queries: torch.Tensor) -> torch.Tensor:
        inner = grad(loss)(theta, inputs[0], targets[0])
        return loss([w - rate * g for w, g in zip(theta, inner, strict=True)], *queries)

    return after


def _maml(problem: Problem) -> Callable[..., Weights]:
    return grad(_after(problem))


def _reptile(problem: Problem) -> Callable[..., Weights]:
    inner, rate = grad(torch_model.loss(problem)), problem.inner_lr

    def outer(theta: Weights, inputs: Any, targets: Any, *_: torch.Tensor) -> Weights:
        adapted, moments = theta, [torch.zeros_like(w) for w in theta]
        for step in range(len(inputs)):
            gradient = inner(adapted, inputs[step], targets[step])
            adapted, moments = torch_model.adam_step(adapted, gradient, moments, step, rate)
        return [w - a for w, a in zip(theta, adapted, strict=True)]

    return outer
