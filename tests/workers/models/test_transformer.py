import keras
import numpy as np
import numpy_transformer
import pytest
import tensorflow as tf
from small_tasks import FRESH, task

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.meta_sgd import MetaSgdAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm
from workers.inner.inner_loop import adapt
from workers.inner.losses import Objective
from workers.model_checks.second_derivative import survey_second_derivatives
from workers.models.registry import make_model
from workers.models.transformer import TransformerModel

LENGTH, TOKENS = 6, 7
SMALL = {"layers": 1, "width": 8, "heads": 2}
KINDS = {
    "head": TransformerModel(**SMALL),
    "tied": TransformerModel(**SMALL, output="tied"),
    "adapters": TransformerModel(**SMALL, adapter_rank=2),
}
ids = np.random.default_rng(0).integers(0, TOKENS, (5, LENGTH)).astype(np.int32)


def model_of(settings):
    return make_model(settings, (LENGTH,), TOKENS, 0, TOKENS)


def spread(model):
    """Make weights at which nothing is 0 or symmetric."""
    rng = np.random.default_rng(1)
    return [tf.constant(w + 0.3 * rng.normal(size=w.shape)) for w in model.initial_weights()]


def one_task():
    rng = np.random.default_rng(2)

    def examples(number):
        inputs = rng.integers(0, TOKENS, (number, LENGTH)).astype(np.int32)
        targets = rng.integers(0, TOKENS, (number, LENGTH)).astype(np.int32)
        targets[0, 3:] = -1
        return inputs, targets

    return task(examples(4), examples(3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_token_never_changes_an_earlier_output(kind):
    model = model_of(KINDS[kind])
    theta = [tf.cast(w, tf.float32) for w in spread(model)]
    before, _ = model.apply(theta, [], tf.constant(ids))
    assert before.shape == (5, LENGTH, TOKENS)
    for place in range(1, LENGTH):
        changed = ids.copy()
        changed[:, place:] = (changed[:, place:] + 3) % TOKENS
        after, _ = model.apply(theta, [], tf.constant(changed))
        np.testing.assert_array_equal(after[:, :place], before[:, :place])
        assert np.abs(after[:, place:] - before[:, place:]).max() > 0.01


def test_it_is_the_published_transformer():
    layers = 2
    model = model_of(TransformerModel(**{**SMALL, "layers": layers}))
    theta = [tf.cast(w, tf.float32) for w in spread(model)]
    outputs, _ = model.apply(theta, [], tf.constant(ids))
    weights = dict(zip(model.names, (w.numpy().astype(float) for w in theta), strict=True))
    for text, logits in zip(ids, outputs, strict=True):
        expected = numpy_transformer.logits(weights, text, layers, SMALL["heads"])
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_the_same_token_elsewhere_is_another_one():
    model = model_of(KINDS["head"])
    theta = [tf.cast(w, tf.float32) for w in spread(model)]
    same, _ = model.apply(theta, [], tf.zeros((1, LENGTH), tf.int32))
    assert np.abs(np.diff(same[0], axis=0)).max(-1).min() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.quick("head")
def test_no_layer_has_a_wrong_second_derivative(kind):
    survey = survey_second_derivatives(model_of(KINDS[kind]).keras_model, (LENGTH,), True, TOKENS)
    assert survey.faults == []
    # A look-up does not compute; that of a tied model is checked by its outer gradient below.
    lookups = ["Embedding", "ReversibleEmbedding"]
    assert survey.unchecked == (lookups if kind == "tied" else [])


ALGORITHM = {"inner_lr": 0.2, "inner_steps": 2}
SECOND_ORDER = {
    "maml": ("head", MamlAlgorithm(**ALGORITHM)),
    "maml, tied": ("tied", MamlAlgorithm(**ALGORITHM)),
    "maml, adapters": ("adapters", MamlAlgorithm(**ALGORITHM)),
    "anil": ("head", AnilAlgorithm(**ALGORITHM)),
    "meta-sgd, adapters": ("adapters", MetaSgdAlgorithm(inner_steps=2)),
    "joint": ("head", JointAlgorithm()),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("case", SECOND_ORDER)
def test_the_outer_gradient_equals_finite_differences(case):
    kind, settings = SECOND_ORDER[case]
    model, one = model_of(KINDS[kind]), one_task()
    theta = spread(model)
    if settings.kind == "meta_sgd":
        theta += [tf.fill(w.shape, tf.constant(0.2, w.dtype)) for w in theta]
    objective = Objective(model, "next_token", "mean", 1)
    gradient, _, _ = settings.outer_gradient(objective, theta, FRESH, one)
    rng = np.random.default_rng(3)
    direction = [
        g / tf.linalg.global_norm(gradient) + rng.normal(size=g.shape) / 60 for g in gradient
    ]

    def loss(step):
        moved = [w + step * d for w, d in zip(theta, direction, strict=True)]
        return float(settings.outer_loss(objective, moved, FRESH, one)[0])

    expected = (loss(1e-6) - loss(-1e-6)) / 2e-6
    actual = sum(float(tf.reduce_sum(g * d)) for g, d in zip(gradient, direction, strict=True))
    assert actual == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("first_order", [False, True])
def test_the_first_order_gradient_is_another_one(first_order):
    model, one = model_of(KINDS["head"]), one_task()
    theta = [tf.cast(w, tf.float32) for w in spread(model)]
    objective = Objective(model, "next_token", "mean", 1)
    settings = MamlAlgorithm(**ALGORITHM, first_order=first_order)
    gradient, _, metrics = settings.outer_gradient(objective, theta, FRESH, one)
    other = MamlAlgorithm(**ALGORITHM, first_order=not first_order)
    others, _, _ = other.outer_gradient(objective, theta, FRESH, one)
    assert max(np.abs(a - b).max() for a, b in zip(gradient, others, strict=True)) > 1e-3
    assert set(metrics) == {"loss_before", "loss_after", "bits_per_character"}


@pytest.mark.parametrize(
    "settings", [MamlAlgorithm(**ALGORITHM), JointAlgorithm(), MetaSgdAlgorithm(inner_steps=2)]
)
def test_only_adapters_adapt_and_all_weights_are_trained(settings):
    model, one = model_of(KINDS["adapters"]), one_task()
    theta = [tf.cast(w, tf.float32) for w in spread(model)]
    all_of_it = theta + [tf.ones(w.shape) for w in theta] * (settings.kind == "meta_sgd")
    objective = Objective(model, "next_token", "mean", 1)
    inner_state, plan = settings.start_inner_loop(model, all_of_it, FRESH, 0.2)
    inner_states, _ = adapt(objective.inner, inner_state, one, 2, plan)
    for name, before, after in zip(model.names, theta, inner_states[-1].theta, strict=True):
        assert np.array_equal(before, after) == ("_adapter_" not in name), name
    gradient, _, _ = settings.outer_gradient(objective, all_of_it, FRESH, one)
    for name, slope in zip(model.names, gradient, strict=False):
        # A constant that all keys have in common changes no attention.
        assert np.abs(slope).max() > 0, name


def test_adapters_change_nothing_at_first():
    model = model_of(KINDS["adapters"])
    theta = model.initial_weights()
    rng = np.random.default_rng(0)
    down = [
        rng.normal(size=w.shape).astype(np.float32) if "_adapter_down" in name else w
        for name, w in zip(model.names, theta, strict=True)
    ]
    np.testing.assert_array_equal(
        model.apply(theta, [], tf.constant(ids))[0], model.apply(down, [], tf.constant(ids))[0]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_is_saved_and_loaded_by_plain_keras(tmp_path, kind):
    model = model_of(KINDS[kind]).keras_model
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", custom_objects=None)
    np.testing.assert_allclose(loaded(ids), model(ids), atol=1e-6)
    modules = {type(layer).__module__.partition(".")[0] for layer in model._flatten_layers()}
    assert modules == {"keras"}


def test_reptile_pulls_all_weights():
    model, one = model_of(KINDS["head"]), one_task()
    theta = [tf.cast(w, tf.float32) for w in spread(model)]
    objective = Objective(model, "next_token", "mean", 1)
    settings = ReptileAlgorithm(inner_lr=0.2, inner_steps=2)
    gradient, _, _ = settings.outer_gradient(objective, theta, FRESH, one)
    assert all(np.abs(slope).max() > 0 for slope in gradient)
