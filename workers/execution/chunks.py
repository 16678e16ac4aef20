"""A function of many examples, computed chunk by chunk, so that memory is that of a chunk."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from workers.execution.separate_call import SeparateCall, call_separately

Tensors = list[tf.Tensor]
#: (index of the chunk, shared, rows of the chunk) -> (sums, rows): see `by_chunks`.
OfChunk = Callable[[tf.Tensor, Tensors, Tensors], tuple[Tensors, Tensors]]


def by_chunks(
    function: OfChunk,
    shared: Sequence[tf.Tensor],
    rows: Sequence[tf.Tensor],
    size: int,
    zero: tf.Tensor,
) -> tuple[Tensors, Tensors]:
    """Apply a function to chunks of the rows, one at a time; differentiable to any order.

    The derivative computes each chunk again. It is computed by chunks itself, and so is its own.

    Args:
      shared: float tensors that all chunks see.
      rows: tensors [n, ...]; those of integers have no derivative.
      size: rows of a chunk; the last may have fewer.
      zero: int32 0 that depends on the task: a loop all of whose values do is vectorized in one
        attempt, not in three.
    Returns:
      the function's first results, summed over chunks, and the others [n, ...], concatenated.
    """
    num_shared, is_float = len(shared), [row.dtype.is_floating for row in rows]

    @tf.custom_gradient
    def run(*arguments: tf.Tensor) -> Any:
        shared, rows = list(arguments[:num_shared]), list(arguments[num_shared:])
        # In a call, since TensorFlow would prepare derivatives of the loop for the tapes outside.
        sums, outputs = call_separately(
            functools.partial(_forward, function, size), shared, rows, zero
        )

        def gradient(*cotangents: tf.Tensor, variables: Any = ()) -> Any:
            of_sums, of_rows = list(cotangents[: len(sums)]), list(cotangents[len(sums) :])

            def backward(index: tf.Tensor, shared: Tensors, rows: Tensors) -> Any:
                return _backward(function, index, shared, rows, num_shared, len(is_float))

            to_shared, to_rows = by_chunks(
                backward, [*shared, *of_sums], [*rows, *of_rows], size, zero
            )
            remaining = iter(to_rows)
            result = [*to_shared, *(next(remaining) if of else None for of in is_float)]
            return (result, [None] * len(variables)) if variables else result

        form.append(len(sums))
        return (*sums, *outputs), gradient

    form: list[int] = []
    flat = list(run(*shared, *rows))
    return flat[: form[0]], flat[form[0] :]


def _backward(
    function: OfChunk,
    index: tf.Tensor,
    shared: Tensors,
    rows: Tensors,
    num_shared: int,
    num_rows: int,
) -> tuple[Tensors, Tensors]:
    """Turn cotangents of a chunk's results, which follow its arguments, into those of these."""
    shared, of_sums = shared[:num_shared], shared[num_shared:]
    rows, of_rows = rows[:num_rows], rows[num_rows:]
    floats = [row for row in rows if row.dtype.is_floating]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([*shared, *floats])
        sums, outputs = function(index, shared, rows)
    gradient = tape.gradient(
        [*sums, *outputs],
        [*shared, *floats],
        output_gradients=[*of_sums, *of_rows],
        unconnected_gradients="zero",
    )
    gradient = [tf.convert_to_tensor(g) for g in gradient]
    return gradient[:num_shared], gradient[num_shared:]


def _forward(
    function: OfChunk, size: int, shared: Tensors, rows: Tensors, zero: tf.Tensor
) -> tuple[Tensors, Tensors]:
    """Loop over whole chunks, and add the rest; return sums and rows."""
    number = rows[0].shape[0]
    whole, rest = number // size, number % size
    chunk = [tf.TensorSpec((size, *row.shape[1:]), row.dtype) for row in rows]
    of_chunk = SeparateCall(function, tf.constant(0), shared, chunk)
    sums_like, rows_like = of_chunk.outputs
    stacked = [tf.reshape(r[: whole * size], [whole, size, *r.shape[1:]]) for r in rows]

    def body(index: tf.Tensor, totals: Tensors, outputs: Tensors) -> Any:
        sums, made = of_chunk(index, shared, [stack[index] for stack in stacked])
        totals = [total + x for total, x in zip(totals, sums, strict=True)]
        pairs = zip(outputs, made, strict=True)
        outputs = [tf.tensor_scatter_nd_update(to, [[index]], x[None]) for to, x in pairs]
        return index + 1, totals, outputs

    start = (
        tf.constant(0),
        [tf.zeros(x.shape, x.dtype) + tf.cast(zero, x.dtype) for x in sums_like],
        [tf.zeros([whole, *x.shape], x.dtype) + tf.cast(zero, x.dtype) for x in rows_like],
    )
    _, totals, outputs = tf.while_loop(
        lambda index, *_: index < whole,
        body,
        start,
        parallel_iterations=1,
        maximum_iterations=whole,
    )
    outputs = [tf.reshape(x, [whole * size, *x.shape[2:]]) for x in outputs]
    if not rest:
        return totals, outputs
    last = [row[whole * size :] for row in rows]
    arguments = tf.constant(whole), shared, last
    sums, made = SeparateCall(function, *arguments)(*arguments)
    totals = [total + x for total, x in zip(totals, sums, strict=True)]
    outputs = [tf.concat([x, more], axis=0) for x, more in zip(outputs, made, strict=True)]
    return totals, outputs
