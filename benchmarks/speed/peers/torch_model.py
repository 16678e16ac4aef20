"""The networks in PyTorch, as functions of lists of weights, and their layouts.

A 3x3 convolution of stride 2 pads an even image after its last row and column in TensorFlow, and
before its first with PyTorch's `padding=1`. Flipping images and kernels turns one into the other,
so that PyTorch needs no padding of its own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from peers import torch_transformer
from peers.problem import Episodes, Problem
from workers.wire.protocol import Array, Vector

EPSILON = 1e-3
BETA2 = 0.999

Weights = Sequence[torch.Tensor]


def loss(
    problem: Problem, native: bool = True
) -> Callable[[Weights, torch.Tensor, torch.Tensor], torch.Tensor]:
    """Make the function of the mean loss of the network's outputs.

    Args:
      native: whether to use PyTorch's batch normalization or attention, rather than written out.
    """
    if problem.model == "transformer":
        return torch_transformer.loss(problem.heads, native)
    if problem.model == "mlp":
        return lambda theta, inputs, targets: F.mse_loss(_mlp(theta, inputs), targets)
    normalize, mean = _native if native else _written_out, _mean(problem)

    def cross_entropy(theta: Weights, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(_conv4(normalize, mean, theta, inputs), targets)

    return cross_entropy


def adam_step(theta: Weights, gradient: Weights, moments: Weights, step: int, rate: float) -> Any:
    """Take the `step`-th step, from 0, of Adam with beta1 = 0; return new weights and moments."""
    moments = [BETA2 * m + (1 - BETA2) * g * g for m, g in zip(moments, gradient, strict=True)]
    scale = rate * (1 - BETA2 ** (step + 1)) ** 0.5
    rows = zip(theta, gradient, moments, strict=True)
    return [w - scale * g / (m.sqrt() + 1e-8) for w, g, m in rows], moments


def to_torch(problem: Problem) -> list[torch.Tensor]:
    """Convert theta: kernels to [out, in, height, width], flipped; the head's rows accordingly."""
    theta = []
    for w in problem.theta:
        if w.ndim == 4:
            w = w[::-1, ::-1].transpose(3, 2, 0, 1)
        elif problem.model == "conv4" and w.ndim == 2 and not _mean(problem):
            w = w.reshape(2, 2, -1, w.shape[-1])[::-1, ::-1].transpose(2, 0, 1, 3)
            w = w.reshape(-1, w.shape[-1])
        theta.append(torch.tensor(np.ascontiguousarray(w)))
    return theta


def from_torch(problem: Problem, gradient: Weights) -> Vector:
    """Convert a list like theta in PyTorch to metatrain's flat vector."""
    flat = []
    for g, w in zip(gradient, problem.theta, strict=True):
        array: Array = g.detach().numpy()
        if w.ndim == 4:
            array = array.transpose(2, 3, 1, 0)[::-1, ::-1]
        elif problem.model == "conv4" and w.ndim == 2 and not _mean(problem):
            array = array.reshape(-1, 2, 2, w.shape[-1]).transpose(1, 2, 0, 3)[::-1, ::-1]
        flat.append(array.reshape(-1))
    return np.concatenate(flat)


def to_tensors(problem: Problem, episodes: Episodes) -> list[torch.Tensor]:
    """Convert the episodes to tensors; images are flipped, channels first."""
    tensors = []
    for array in episodes:
        if problem.model == "conv4" and array.ndim > 3:  # images
            array = np.moveaxis(array[..., ::-1, ::-1, :], -1, -3)
        tensor = torch.tensor(np.ascontiguousarray(array))
        tensors.append(tensor if tensor.is_floating_point() else tensor.long())
    return tensors


def _mean(problem: Problem) -> bool:
    return problem.readout == "mean"


def _mlp(theta: Weights, inputs: torch.Tensor) -> torch.Tensor:
    hidden = inputs
    for kernel, bias in zip(theta[:-2:2], theta[1:-2:2], strict=True):
        hidden = torch.relu(torch.addmm(bias, hidden, kernel))
    return torch.addmm(theta[-1], hidden, theta[-2])


def _conv4(normalize: Any, mean: bool, theta: Weights, inputs: torch.Tensor) -> torch.Tensor:
    hidden = inputs
    for kernel, gamma, beta in zip(theta[:-2:3], theta[1:-2:3], theta[2:-2:3], strict=True):
        hidden = F.conv2d(hidden, kernel, stride=2, padding=1)
        hidden = torch.relu(normalize(hidden, gamma, beta))
    features = hidden.mean((2, 3)) if mean else hidden.flatten(1)
    return torch.addmm(theta[-1], features, theta[-2])


def _native(inputs: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    return F.batch_norm(inputs, None, None, gamma, beta, training=True, eps=EPSILON)


def _written_out(inputs: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    centered = inputs - inputs.mean((0, 2, 3), keepdim=True)
    scale = (centered * centered).mean((0, 2, 3), keepdim=True).add(EPSILON).rsqrt()
    return centered * (scale * gamma[:, None, None]) + beta[:, None, None]
