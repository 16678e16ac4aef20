"""Blocks of held-out tasks: evaluation and prediction."""

from dataclasses import replace

import numpy as np
import pytest
from small_blocks import CASES, RECIPE, VECTORIZED, setup
from small_families import (
    WAYS,
    held_out_block,
    train_block,
)
from small_tasks import at

from workers.wire.protocol import OUTPUTS, TARGETS, Block, Recipe


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


@pytest.mark.parametrize("runtime", [None, VECTORIZED])
@pytest.mark.parametrize("case", ["maml, sinusoid", "protonet, batch"])
def test_outputs_beside_scores_are_those_that_are_predicted_and_change_no_score(case, runtime):
    settings = CASES[case]
    runner, family, theta = setup(settings, *([runtime] if runtime else []))
    steps = 1 if settings.algorithm.closed_form else 2
    recipe = Recipe(0.1, steps)

    def run(kind, recipe):
        block = held_out_block(settings, family, kind, 4, recipe)
        return runner.run(at(theta), block).metrics

    scores = run("evaluate", recipe)
    both = run("evaluate", replace(recipe, outputs_after=(steps,)))
    outputs, targets = both.pop(OUTPUTS), both.pop(TARGETS)
    assert both.keys() == scores.keys()
    for name, values in scores.items():
        assert both[name].tobytes() == values.tobytes()
    predicted = run("predict", recipe)["outputs"]
    assert outputs.shape[1] == 1
    np.testing.assert_allclose(outputs[:, 0], predicted[:, steps], rtol=1e-6)
    episode = family.build(held_out_block(settings, family, "evaluate", 4, recipe).specs)
    np.testing.assert_array_equal(targets, episode.query_targets)


@pytest.mark.parametrize("runtime", [None, VECTORIZED])
def test_on_the_support_set_its_own_loss_is_scored(runtime):
    """Before adaptation and after the only step of plain gradient descent."""
    settings = CASES["maml, sinusoid"]
    runner, family, theta = setup(settings, *([runtime] if runtime else []))
    block = held_out_block(settings, family, "evaluate", 4, replace(RECIPE, on_support=True))
    losses = runner.run(at(theta), block).metrics["loss"]
    adapted = held_out_block(settings, family, "predict", 4, RECIPE)
    episode = family.build(adapted.specs)
    specs = dict(adapted.specs)
    outputs = runner.run(
        at(theta), replace(adapted, recipe=replace(RECIPE, on_support=True), specs=specs)
    ).metrics["outputs"]
    number = episode.support_inputs.shape[1]
    assert outputs.shape[2] % number == 0
    own = outputs[:, :, :number]
    expected = np.square(own - episode.support_targets[:, None]).mean((-1, -2))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert (losses[:, 1] < losses[:, 0]).all()
