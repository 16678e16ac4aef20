"""Blocks of held-out tasks: evaluation and prediction."""

import numpy as np
import pytest
from small_blocks import CASES, RECIPE, VECTORIZED, setup
from small_families import (
    WAYS,
    held_out_block,
    train_block,
)
from small_tasks import at

from workers.wire.protocol import Block, Recipe


@pytest.mark.parametrize("case", ["maml, sinusoid", "joint"])
def test_evaluation_agrees_mapped_or_vectorized(case):
    """The tests of training check how layers are vectorized."""
    settings = CASES[case]
    runner, family, theta = setup(settings)
    block = held_out_block(settings, family, "evaluate", 4, RECIPE)
    mapped = runner.run(at(theta), block)
    vectorized = setup(settings, VECTORIZED)[0].run(at(theta), block)
    assert mapped.gradient.shape == (0,)
    names = {"loss"} | ({"accuracy"} if family.loss != "mse" else set())
    assert mapped.metrics.keys() == vectorized.metrics.keys() == names
    for name, values in mapped.metrics.items():
        assert values.shape == (4, RECIPE.inner_steps + 1)
        np.testing.assert_allclose(vectorized.metrics[name], values, rtol=1e-4)


@pytest.mark.parametrize(("num_tasks", "inner_steps"), [(1, 0), (4, 2)])
def test_a_prediction_is_the_outputs_on_the_queries_per_task_and_inner_step(num_tasks, inner_steps):
    settings = CASES["maml, batch"]
    runner, family, theta = setup(settings)
    recipe = Recipe(0.1, inner_steps)
    predicted = runner.run(
        at(theta), held_out_block(settings, family, "predict", num_tasks, recipe)
    )
    evaluated = runner.run(
        at(theta), held_out_block(settings, family, "evaluate", num_tasks, recipe)
    )
    queries = settings.task.queries * WAYS
    outputs = predicted.metrics.pop("outputs")
    assert predicted.metrics == {}
    assert outputs.shape == (num_tasks, inner_steps + 1, queries, WAYS)
    targets = np.repeat(np.arange(WAYS), settings.task.queries)
    accuracy = np.mean(outputs.argmax(-1) == targets, axis=-1)
    np.testing.assert_allclose(evaluated.metrics["accuracy"], accuracy)
    logs = outputs - np.log(np.sum(np.exp(outputs), axis=-1, keepdims=True))
    loss = -np.mean(logs[..., np.arange(queries), targets], axis=-1)
    np.testing.assert_allclose(evaluated.metrics["loss"], loss, rtol=1e-5)


@pytest.mark.parametrize("case", ["maml, batch", "fomaml, layer", "reptile, adam"])
def test_evaluation_scores_what_training_adapts_to(case):
    """On the same tasks, with the same rate and steps, both see the same queries at the end."""
    settings = CASES[case]
    runner, family, theta = setup(settings)
    train = train_block(settings, family, 0, 4)
    recipe = Recipe(settings.algorithm.inner_lr, settings.algorithm.inner_steps)
    evaluate = Block("evaluate", train.step, 0, 0, 4, train.specs, recipe)
    loss = runner.run(at(theta), evaluate).metrics["loss"]
    after = runner.run(at(theta), train).metrics["loss_after"]
    np.testing.assert_allclose(loss[:, -1].sum(), after, rtol=1e-5)
    assert abs(loss[:, 0].sum() - after) > 1e-4
