import keras
import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from orchestrator.config import schema as configuration
from workers.export.plain_keras import plain, save_and_load
from workers.model_checks.second_derivative import Verdict, check_second_derivative
from workers.models.conv1d import Conv1dModel
from workers.models.functional import FunctionalModel
from workers.models.registry import make_model

SHAPE = (32, 2)
SMALL = {"channels": 3, "blocks": 2, "kernel": 3}
CASES = {
    "strides": Conv1dModel(**SMALL),
    "maxima": Conv1dModel(**SMALL, downsample="max_pool"),
    "groups, flat": Conv1dModel(
        **{**SMALL, "channels": 4}, normalization="group", groups=2, readout="flatten"
    ),
    "layers": Conv1dModel(**SMALL, normalization="layer"),
    "spectra": Conv1dModel(**SMALL, spectrogram={"window": 8, "hop": 4}),
}


def test_weights():
    model = make_model(CASES["strides"], SHAPE, 5)
    assert model.names == [
        *("conv0/kernel", "normalization0/gamma", "normalization0/beta"),
        *("conv1/kernel", "normalization1/gamma", "normalization1/beta"),
        *("head/kernel", "head/bias"),
    ]
    assert model.shapes == [(1, 3, 2, 3), (3,), (3,), (1, 3, 3, 3), (3,), (3,), (3, 5), (5,)]
    bare = make_model(Conv1dModel(**SMALL, normalization="none"), SHAPE, 5)
    assert "conv0/bias" in bare.names


@pytest.mark.parametrize("length", [32, 31])
def test_it_is_keras_own_convolutions_of_one_dimension(length):
    ours = Conv1dModel(**SMALL, normalization="none").build((length, 2), 5)
    theirs = keras.Sequential(
        [
            keras.Input((length, 2)),
            *(
                keras.layers.Conv1D(3, 3, strides=2, padding="same", activation="relu")
                for _ in "ab"
            ),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(5),
        ]
    )
    theirs.set_weights([w[0] if w.ndim == 4 else w for w in ours.get_weights()])
    signals = np.random.default_rng(0).normal(size=(4, length, 2)).astype(np.float32)
    np.testing.assert_allclose(ours(signals), theirs(signals), atol=1e-6)


@pytest.mark.parametrize("length", [32, 29])
def test_maxima_are_those_of_max_pooling(length):
    ours = Conv1dModel(**SMALL, normalization="none", downsample="max_pool").build((length, 2), 5)
    layers = []
    for _ in "ab":
        layers += [
            keras.layers.Conv1D(3, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling1D(2),
        ]
    theirs = keras.Sequential(
        [
            *(keras.Input((length, 2)), *layers),
            *(keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(5)),
        ]
    )
    theirs.set_weights([w[0] if w.ndim == 4 else w for w in ours.get_weights()])
    signals = np.random.default_rng(0).normal(size=(4, length, 2)).astype(np.float32)
    np.testing.assert_allclose(ours(signals), theirs(signals), atol=1e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.quick("strides")
def test_it_can_be_differentiated_twice(case):
    model = CASES[case].build(SHAPE, 3)
    assert check_second_derivative(model, SHAPE, batch_statistics=True) == Verdict()


@pytest.mark.parametrize("xla", [False, True])
def test_the_second_derivative_of_maxima_is_right_where_two_are_nearly_equal(xla):
    """That of TensorFlow's max pooling is not, with XLA."""
    settings = Conv1dModel(
        channels=1, blocks=1, kernel=1, normalization="none", downsample="max_pool", stride=4
    )
    model = FunctionalModel(settings.build((4, 1), 1), (4, 1))
    signal = tf.constant([[[1.0], [1.0039], [0.5], [0.2]]])

    def hessian(kernel):
        with tf.GradientTape() as outer:
            outer.watch(kernel)
            with tf.GradientTape() as inner:
                inner.watch(kernel)
                theta = [kernel, *ones[1:]]
                outputs, _ = model.apply(theta, [], signal)
                loss = tf.reduce_sum(outputs**3)
            first = inner.gradient(loss, kernel)
        return outer.gradient(first, kernel)

    ones = [
        tf.ones(shape) if "kernel" in n else tf.zeros(shape)
        for n, shape in zip(model.names, model.shapes, strict=True)
    ]
    found = tf.function(hessian, jit_compile=xla)(ones[0])
    np.testing.assert_allclose(found.numpy().ravel(), [6 * 1.0039**3], rtol=1e-5)


def test_a_spectrogram_shows_the_frequency_and_white_noise_as_zero():
    settings = Conv1dModel(**SMALL, spectrogram={"window": 16, "hop": 8})
    model = settings.build((64, 2), 3)
    spectra = keras.Model(model.inputs[0], model.get_layer("row").output)
    time = np.arange(64)
    waves = np.stack([np.cos(2 * np.pi * time * k / 16) for k in (2, 5)], -1)
    found = np.reshape(spectra(waves[None].astype(np.float32)), (7, 9, 2))
    assert (found.argmax(1) == [2, 5]).all()
    noise = np.random.default_rng(0).normal(size=(200, 64, 2)).astype(np.float32)
    power = np.exp(np.reshape(spectra(noise), (200, 7, 9, 2))).mean((0, 1, 3))
    np.testing.assert_allclose(power[1:-1], 1, atol=0.1)
    assert np.isfinite(spectra(np.zeros((1, 64, 2), np.float32))).all()


@pytest.mark.parametrize("case", CASES)
def test_plain_keras_loads_it(case):
    model = make_model(CASES[case], SHAPE, 3).keras_model
    signals = np.random.default_rng(0).normal(size=(4, *SHAPE)).astype(np.float32)
    copy = plain(model)
    loaded, _ = save_and_load(copy)
    np.testing.assert_allclose(loaded(signals), copy(signals), atol=1e-6)


def test_an_example_that_is_too_short_is_told():
    with pytest.raises(
        ValueError,
        match=r"6 is too many .* 20 samples: block 5 would see 1 samples; lower it to 5 or fewer$",
    ):
        Conv1dModel(blocks=6).build((20, 1), 2)
    short = Conv1dModel(blocks=3, spectrogram={"window": 16, "hop": 8})
    with pytest.raises(ValueError, match=r"would see 1 spectra; .* lower model\.spectrogram\.hop$"):
        short.build((24, 1), 2)
    with pytest.raises(ValueError, match=r"model\.spectrogram\.window = 16 is longer than an"):
        short.build((12, 1), 2)
    with pytest.raises(ValidationError, match=r"hop = 9 is above model\.spectrogram\.window = 8"):
        Conv1dModel(spectrogram={"window": 8, "hop": 9})


def test_it_is_told_with_the_configuration_where_a_window_is_set():
    given = {"kind": "signal", "path": "a.npz", "window": 8}
    with pytest.raises(ValueError, match=r"model\.blocks = 4 is too many .* lower it to 3"):
        configuration.load({"task": given, "model": {"kind": "conv1d"}})


def test_other_inputs_are_refused_by_name():
    with pytest.raises(
        ValueError, match=r"'conv1d' takes signals, but task\.kind = 'sinusoid' has numbers; use m"
    ):
        configuration.load("sinusoid", ["model.kind=conv1d"])
    with pytest.raises(
        ValueError, match=r"'conv4' takes images, but task\.kind = 'signal' has signals; .*'conv1d'"
    ):
        configuration.load({"task": {"kind": "signal", "path": "a"}, "model": {"kind": "conv4"}})


def test_keys_of_the_spectrogram_are_set_one_by_one():
    config, _ = configuration.load("bearings", ["model.spectrogram.hop=8"])
    assert (config.model.spectrogram.window, config.model.spectrogram.hop) == (64, 8)
    assert config.bits()["model.spectrogram.hop"] == 8
