import keras
import numpy as np
import pytest
import tensorflow as tf
from small_families import make_family, sinusoid_settings

from workers.meta_parameters import Layout, initial
from workers.models.conv4 import Conv4Model
from workers.models.functional import FunctionalModel
from workers.models.linear import LinearModel
from workers.models.mlp import MlpModel
from workers.models.published.r2d2 import R2d2Model
from workers.models.registry import make_model
from workers.wire.tensors import to_vector

CASES = [
    (LinearModel(), (4, 4, 1), ["head/kernel", "head/bias"], [(16, 3), (3,)]),
    (
        MlpModel(hidden=(5,), normalization="layer"),
        (2,),
        [
            *("dense0/kernel", "dense0/bias", "normalization0/gamma", "normalization0/beta"),
            *("head/kernel", "head/bias"),
        ],
        [(2, 5), (5,), (5,), (5,), (5, 3), (3,)],
    ),
    (
        Conv4Model(filters=2, normalization="none"),
        (28, 28, 1),
        [f"conv{i}/{kind}" for i in range(4) for kind in ("kernel", "bias")]
        + ["head/kernel", "head/bias"],
        [(3, 3, 1, 2), (2,)] + 3 * [(3, 3, 2, 2), (2,)] + [(8, 3), (3,)],
    ),
]


@pytest.mark.parametrize(("settings", "input_shape", "names", "shapes"), CASES)
def test_a_models_weights_are_these_in_this_order_however_many_were_built(
    settings, input_shape, names, shapes
):
    for _ in range(2):
        model = make_model(settings, input_shape, 3)
        assert model.names == names
        assert model.shapes == shapes
        assert model.num_parameters == sum(int(np.prod(shape)) for shape in shapes)


def test_finns_omniglot_network_has_his_number_of_parameters():
    """conv4, 64 filters, 28 x 28, 5 ways, batch normalization without convolution biases."""
    model = make_model(Conv4Model(), (28, 28, 1), 5)
    convolutions = 9 * 64 + 3 * 9 * 64 * 64
    assert model.num_parameters == convolutions + 4 * 2 * 64 + (4 * 64 + 1) * 5


@pytest.mark.parametrize(
    ("filters", "size", "features"),
    [
        ((64, 64, 64, 64), 28, 2 * 256),
        ((96, 192, 384, 512), 28, 1536 + 2048),
        ((64, 64, 64, 64), 32, 2 * 576),
    ],
)
def test_the_network_of_r2d2_has_its_authors_number_of_features(filters, size, features):
    settings = R2d2Model(filters=filters)
    model = make_model(settings, (size, size, 1), 5)
    assert model.shapes[-2:] == [(features, 5), (5,)]
    pairs = zip((1, *filters), filters, strict=False)
    convolutions = sum(9 * before * after for before, after in pairs)
    assert model.num_parameters == convolutions + 2 * sum(filters) + (features + 1) * 5


def test_the_features_of_r2d2_are_those_of_its_last_two_blocks():
    settings = R2d2Model(filters=(2, 3, 4, 5), normalization="none")
    network = settings.build((16, 16, 1), 1)
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 1)).astype(np.float32)
    names = ["relu2", "relu3", "features"]
    inner = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    third, fourth, features = (tf.convert_to_tensor(output) for output in inner([images]))
    pooled = tf.reduce_max(tf.reshape(third, [2, 4, 4]), axis=1)  # 2 x 2 pixels, all in one window
    assert fourth.shape == (2, 1, 1, 5)
    expected = np.concatenate([pooled, tf.reshape(fourth, [2, 5])], axis=1)
    np.testing.assert_array_equal(features, expected)
    assert np.min(third) < 0  # a leaky ReLU


@pytest.mark.parametrize("shape", [(8, 28, 1), (28,)])
def test_the_network_of_r2d2_takes_images_of_sixteen_pixels_or_more(shape):
    with pytest.raises(ValueError, match=r"model\.kind = 'r2d2' takes images .* of 16 pixels or m"):
        R2d2Model().build(shape, 5)


def test_a_model_is_cut_in_front_of_its_head_where_that_can_be_done():
    inputs = keras.Input((4,))
    head = keras.layers.Dense(3)
    hidden = keras.layers.Dense(4)(inputs)
    models = {
        "cut": keras.Model(inputs, head(hidden)),
        "the head is all there is": keras.Model(inputs, keras.layers.Dense(3)(inputs)),
        "random": keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Dropout(0.1)(hidden))),
        "nested": keras.Sequential([keras.Input((4,)), keras.Model(inputs, head(hidden))]),
    }
    cut = [name for name, model in models.items() if FunctionalModel(model, (4,)).parts]
    assert cut == ["cut"]


@pytest.mark.parametrize("case", ["one", "twice", "two heads", "past the head"])
def test_the_parts_of_a_model_are_the_model(case):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(4, activation="tanh", name="body")(inputs)
    head, other = keras.layers.Dense(4, name="head"), keras.layers.Dense(4, name="other")
    outputs = {
        "one": lambda: head(hidden),
        "twice": lambda: head(head(hidden)),
        "two heads": lambda: head(hidden) * other(inputs),
        "past the head": lambda: head(hidden) * hidden + inputs,
    }[case]()
    heads = ["head", "other"] if case == "two heads" else ["head"]
    whole = FunctionalModel(keras.Model(inputs, outputs), (4,), head=heads)
    body, behind, num_features = whole.parts
    assert num_features == (1 if case in ("one", "twice") else 2)
    theta = [tf.constant(weight) + 0.1 for weight in whole.initial_weights()]
    of = [
        [w for w, head in zip(theta, whole.is_head, strict=True) if head == which]
        for which in (False, True)
    ]
    examples = tf.constant(np.random.default_rng(0).normal(size=(3, 4)), tf.float32)
    features, _ = body.apply(of[0], [], examples)
    expected, _ = whole.apply(theta, [], examples)
    np.testing.assert_array_equal(behind.apply(of[1], [], features)[0], expected)


def test_apply_uses_the_given_weights_and_not_the_models_own():
    model = make_model(LinearModel(), (2,), 1)
    theta = [tf.constant([[2.0], [3.0]]), tf.constant([1.0])]
    before = model.initial_weights()
    outputs, state = model.apply(theta, [], tf.constant([[1.0, 1.0]]))
    np.testing.assert_array_equal(outputs, [[6.0]])
    assert state == []
    np.testing.assert_array_equal(to_vector(model.initial_weights()), to_vector(before))


def test_a_layout_splits_what_pack_joined():
    model = make_model(MlpModel(hidden=(5,)), (2,), 3)
    weights = model.initial_weights()
    layout = Layout(model.names, model.shapes)
    assert layout.size == model.num_parameters == to_vector(weights).size
    parts = tf.function(layout.split)(tf.constant(to_vector(weights)))
    for part, weight in zip(parts, weights, strict=True):
        np.testing.assert_array_equal(part, weight)
    assert Layout([], []).split(tf.zeros([0])) == []


def initial_theta(seed):
    return to_vector(initial(sinusoid_settings(seed=seed), make_family(sinusoid_settings())).theta)


def test_the_initial_theta_is_a_function_of_the_seed():
    one, again, other = (initial_theta(seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_the_initial_theta_does_not_depend_on_models_built_before():
    fresh = initial_theta(1)
    make_model(MlpModel(hidden=(5,)), (2,), 3)
    make_model(Conv4Model(filters=2), (28, 28, 1), 5)
    np.testing.assert_array_equal(initial_theta(1), fresh)


@pytest.mark.parametrize("normalization", ["none", "layer", "group"])
def test_without_batch_normalization_an_example_is_classified_by_itself(normalization):
    rng = np.random.default_rng(0)
    model = make_model(Conv4Model(filters=4, normalization=normalization, groups=2), (16, 16, 1), 3)
    inputs = rng.normal(size=(5, 16, 16, 1)).astype(np.float32)
    theta = [tf.constant(w) for w in model.initial_weights()]
    together, alone = (model.apply(theta, [], part)[0] for part in (inputs, inputs[:1]))
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_batch_normalization_is_transductive():
    rng = np.random.default_rng(0)
    model = make_model(Conv4Model(filters=4, normalization="batch"), (16, 16, 1), 3)
    inputs = rng.normal(size=(5, 16, 16, 1)).astype(np.float32)
    theta = [tf.constant(w) for w in model.initial_weights()]
    together, fewer = (model.apply(theta, [], part)[0] for part in (inputs, inputs[:2]))
    assert np.abs(together[:2] - fewer).max() > 1e-2
