"""Prototypical networks in PyTorch: conv4, whose queries are normalized with the support set."""

import torch
import torch.nn.functional as F  # noqa: N812

from peers.torch_model import EPSILON, Weights

#: Mean and 1 / standard deviation of each layer's channels.
Statistics = list[tuple[torch.Tensor, torch.Tensor]]


def outer_gradient(theta: Weights, *task: torch.Tensor) -> Weights:
    """Differentiate the mean cross-entropy of a task's queries.

    Args:
      theta: kernel, gamma and beta of each block.
      task: support images in one batch, their classes, query images, their classes.
    """
    inputs, targets, query_inputs, query_targets = task
    support, statistics = _support_features(theta, inputs[0])
    members = F.one_hot(targets[0]).to(support.dtype)
    prototypes = members.T @ support / members.sum(0)[:, None]
    queries = _query_features(theta, query_inputs, statistics)
    logits = -torch.cdist(queries, prototypes).square()
    return torch.autograd.grad(F.cross_entropy(logits, query_targets), theta)


def _support_features(theta: Weights, images: torch.Tensor) -> tuple[torch.Tensor, Statistics]:
    hidden, statistics = images, []
    for kernel, gamma, beta in zip(theta[::3], theta[1::3], theta[2::3], strict=True):
        hidden = F.conv2d(hidden, kernel, stride=2, padding=1)
        variance, mean = torch.var_mean(hidden, (0, 2, 3), correction=0)
        statistics.append((mean, (variance + EPSILON).rsqrt()))
        # PyTorch's own is faster than the formula, with the same statistics.
        hidden = F.batch_norm(hidden, None, None, gamma, beta, training=True, eps=EPSILON)
        hidden = torch.relu(hidden)
    return hidden.flatten(1), statistics


def _query_features(theta: Weights, images: torch.Tensor, statistics: Statistics) -> torch.Tensor:
    hidden = images
    blocks = zip(theta[::3], theta[1::3], theta[2::3], statistics, strict=True)
    for kernel, gamma, beta, (mean, inverse) in blocks:
        hidden = F.conv2d(hidden, kernel, stride=2, padding=1)
        scale = gamma * inverse
        shift = beta - mean * scale
        hidden = torch.relu(hidden * scale[:, None, None] + shift[:, None, None])
    return hidden.flatten(1)
