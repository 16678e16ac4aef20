"""PyTorch, a task at a time: native batch normalization, and autograd through the inner step."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from processes import Work

from peers import torch_model, torch_protonet, torch_text
from peers.check import gradients
from peers.problem import Episodes, Problem
from peers.torch_model import Weights
from workers.wire.protocol import Vector


def make(problem: Problem, threads: int, style: str) -> Work:
    """Make work whose step sums the outer gradients of the problem's tasks.

    Args:
      style: "channels first" or "channels last", the images' layout in memory; of texts, "native"
        or "written out" attention.
    """
    torch.set_num_threads(threads)
    arrange = _channels_last if style == "channels last" else torch.Tensor.contiguous
    theta = [arrange(w).requires_grad_() for w in torch_model.to_torch(problem)]
    loss = torch_model.loss(problem, style != "written out")
    rate = problem.inner_lr

    def maml(inputs: torch.Tensor, targets: torch.Tensor, *queries: torch.Tensor) -> Weights:
        inner = torch.autograd.grad(loss(theta, inputs[0], targets[0]), theta, create_graph=True)
        adapted = [w - rate * g for w, g in zip(theta, inner, strict=True)]
        return torch.autograd.grad(loss(adapted, *queries), theta)

    def reptile(inputs: torch.Tensor, targets: torch.Tensor, *_: torch.Tensor) -> Weights:
        adapted, moments = theta, [torch.zeros_like(w) for w in theta]
        for step in range(len(inputs)):
            gradient = torch.autograd.grad(loss(adapted, inputs[step], targets[step]), adapted)
            with torch.no_grad():
                adapted, moments = torch_model.adam_step(adapted, gradient, moments, step, rate)
            adapted = [w.requires_grad_() for w in adapted]
        return torch._foreach_sub([w.detach() for w in theta], [w.detach() for w in adapted])

    def anil(inputs: torch.Tensor, targets: torch.Tensor, *queries: torch.Tensor) -> Weights:
        of_body, adapted = theta[: torch_text.NUM_BODY], theta[torch_text.NUM_BODY :]
        support, query = (
            torch_text.body(of_body, ids, problem.semantic) for ids in (inputs[0], queries[0])
        )
        for _ in range(problem.inner_steps):
            value = F.cross_entropy(torch_text.head(adapted, support, problem.lexical), targets[0])
            inner = torch.autograd.grad(value, adapted, create_graph=True)
            adapted = [w - rate * g for w, g in zip(adapted, inner, strict=True)]
        value = F.cross_entropy(torch_text.head(adapted, query, problem.lexical), queries[1])
        return torch.autograd.grad(value, theta)

    def protonet(*task: torch.Tensor) -> Weights:
        return torch_protonet.outer_gradient(theta, *task)

    kinds = {"reptile": reptile, "maml": maml, "anil": anil, "protonet": protonet}
    outer_gradient = kinds[problem.algorithm]

    def ready(episodes: Episodes) -> list[torch.Tensor]:
        return [arrange(tensor) for tensor in torch_model.to_tensors(problem, episodes)]

    def summed(tasks: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        total = [torch.zeros_like(w) for w in theta]
        for task in zip(*tasks, strict=True):
            torch._foreach_add_(total, outer_gradient(*task))
        return total

    def flat_sum(episodes: Episodes) -> Vector:
        return torch_model.from_torch(problem, summed(ready(episodes)))

    tasks = ready(problem.episodes)
    return Work(lambda: summed(tasks), problem.num_tasks, gradients(problem, flat_sum))


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """Lay a tensor [..., c, h, w] of rank above 3 out with a pixel's channels side by side."""
    if tensor.ndim < 4:
        return tensor
    flat = tensor.reshape(-1, *tensor.shape[-3:]).contiguous(memory_format=torch.channels_last)
    return flat.unflatten(0, tensor.shape[:-3])
