"""The decoder-only transformer of Vaswani et al. 2017 in numpy, float64, token by token.

Normalization before each part (Xiong et al. 2020) by root mean squares, with Keras' epsilon.
"""

import math

import numpy as np

EPSILON = 1e-6


def logits(weights, ids, num_layers, num_heads):
    """[length, tokens] for one text; weights by their names in Keras, of `output=head`."""
    hidden = weights["embedding/kernel"][ids] + weights["embedding/bias"]
    for i in range(num_layers):
        normed = _norm(hidden, weights[f"layer{i}_a_norm/scale"])
        hidden = hidden + _attention(weights, f"layer{i}", normed, num_heads)
        normed = _norm(hidden, weights[f"layer{i}_b_norm/scale"])
        inner = _gelu(_dense(weights, f"layer{i}_inner", normed))
        hidden = hidden + _dense(weights, f"layer{i}_outer", inner)
    return _dense(weights, "head", _norm(hidden, weights["last_norm/scale"]))


def _attention(weights, layer, hidden, num_heads):
    merged = _dense(weights, f"{layer}_attention_in", hidden)
    query, key, value = np.split(merged, 3, axis=-1)
    size = query.shape[-1] // num_heads
    attended = np.zeros_like(query)
    for head in range(num_heads):
        columns = slice(head * size, (head + 1) * size)
        for place in range(len(hidden)):
            scores = [
                query[place, columns] @ key[j, columns] / math.sqrt(size) for j in range(place + 1)
            ]
            shares = np.exp(scores) / np.exp(scores).sum()
            attended[place, columns] = shares @ value[: place + 1, columns]
    return _dense(weights, f"{layer}_attention_out", attended)


def _dense(weights, name, inputs):
    return inputs @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def _norm(hidden, scale):
    return hidden / np.sqrt((hidden**2).mean(-1, keepdims=True) + EPSILON) * scale


def _gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
