"""Changes of Keras by a script, a keras.json or a user's module do not affect a run."""

import keras
import numpy as np
import pytest
from small_families import NoiseFamily, noise_settings, train_block
from small_tasks import at

from orchestrator.config.driver_settings import OuterSettings
from orchestrator.outer.state import MetaState
from orchestrator.outer.update import OuterUpdate
from workers.algorithms.maml import MamlAlgorithm
from workers.block import BlockRunner
from workers.meta_parameters import initial
from workers.model_checks.user_model import check_model
from workers.models.conv4 import Conv4Model
from workers.models.keras_defaults import changed_defaults, keras_defaults
from workers.models.registry import make_model
from workers.models.user_model import KerasModel
from workers.wire.tensors import sha256, to_vector

CHANGES = {
    "floatx": (keras.config.floatx, keras.config.set_floatx, "float16"),
    "double": (keras.config.floatx, keras.config.set_floatx, "float64"),
    "epsilon": (keras.config.epsilon, keras.config.set_epsilon, 0.5),
    "image_data_format": (
        keras.config.image_data_format,
        keras.config.set_image_data_format,
        "channels_first",
    ),
    "dtype_policy": (
        keras.config.dtype_policy,
        keras.config.set_dtype_policy,
        keras.DTypePolicy("mixed_float16"),
    ),
}
USER_MODEL = """
import keras
{before}
def build(input_shape, num_outputs):
    {inside}
    return keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Flatten(),
        keras.layers.Dense(4, activation="tanh"),
        keras.layers.UnitNormalization(),
        keras.layers.Dense(num_outputs, dtype="float32"),
    ])
"""


@pytest.fixture
def change():
    """A function that makes one of CHANGES, as a script would, until the end of the test."""
    undo = []

    def apply(name):
        look, change, value = CHANGES[name]
        undo.append((change, look()))
        change(value)
        return lambda: look() == value

    yield apply
    for function, value in undo:
        function(value)


def a_step(settings, family):
    """Compute the sha256 of theta after an outer step."""
    start, runner = initial(settings, family), BlockRunner(settings, family)
    contribution = runner.run(at(to_vector(start.theta)), train_block(settings, family, 0, 1))
    outer = OuterUpdate(OuterSettings(), MetaState(0, start.theta, start.names))
    outer.apply(contribution.gradient, to_vector([]))
    return sha256(outer.state().theta)


def user_model(tmp_path, name, before="", inside=""):
    (tmp_path / f"{name}.py").write_text(USER_MODEL.format(before=before, inside=inside))
    return KerasModel(source=f"{name}:build", folder=str(tmp_path))


@pytest.fixture(scope="module")
def convolutions():
    algorithm = MamlAlgorithm(inner_lr=0.1, first_order=True)
    settings = noise_settings(model=Conv4Model(filters=2), algorithm=algorithm)
    family = NoiseFamily((16, 16, 1))
    return settings, family, a_step(settings, family)


@pytest.mark.parametrize("name", CHANGES)
def test_a_step_has_the_same_bits_and_the_script_keeps_its_setting(change, convolutions, name):
    settings, family, expected = convolutions
    still_set = change(name)
    assert a_step(settings, family) == expected
    assert still_set()


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.quick("floatx")
def test_a_users_model_is_checked_and_built_as_in_a_clean_process(change, tmp_path, name):
    settings = noise_settings(model=user_model(tmp_path, f"clean_{name}"))
    family = NoiseFamily((4,))
    facts, expected = check_model(settings, family), a_step(settings, family)
    still_set = change(name)
    assert check_model(settings, family) == facts
    assert a_step(settings, family) == expected
    assert still_set()


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ("keras.config.set_floatx('float16')", "floatx = 'float16'"),
        ("keras.config.set_epsilon(0.1)", "epsilon = 0.1"),
        ("keras.config.set_image_data_format('channels_first')", "image_data_format ="),
        ("keras.mixed_precision.set_global_policy('mixed_bfloat16')", "dtype_policy = 'mixed_b"),
        ("keras.config.disable_flash_attention()", "flash_attention = False"),
    ],
)
def test_a_module_that_changes_keras_when_it_is_imported_is_refused_each_time(
    tmp_path, line, setting
):
    settings = user_model(tmp_path, f"changing_{setting.split()[0]}", before=line)
    for _ in range(2):
        with pytest.raises(ValueError, match=f"keras.config's .*{setting}"):
            make_model(settings, (4,), 3)
    assert changed_defaults() == []


def test_what_a_function_sets_holds_for_its_own_model_each_time(tmp_path):
    line = "keras.mixed_precision.set_global_policy('mixed_float16')"
    settings = user_model(tmp_path, "mixed", inside=line)
    for _ in range(2):
        model = make_model(settings, (4,), 3).keras_model
        assert [layer.compute_dtype for layer in model.layers[1:]] == [
            "float16",
            "float16",
            "float32",
        ]
        assert changed_defaults() == []


def test_a_model_of_mixed_precision_is_told_to_end_in_float32(tmp_path):
    source = USER_MODEL.replace(', dtype="float32"', "")
    policy = "keras.config.set_dtype_policy('mixed_float16')"
    (tmp_path / "half.py").write_text(source.format(before="", inside=policy))
    settings = noise_settings(model=KerasModel(source="half:build", folder=str(tmp_path)))
    with pytest.raises(ValueError, match=r"float16 .*give its last layer dtype='float32'") as error:
        check_model(settings, NoiseFamily((4,)))
    assert "encoder" not in str(error.value)


def test_the_defaults_hold_within_and_what_was_set_before_holds_after(change):
    still_set = [change(name) for name in CHANGES if name != "double"]
    with keras_defaults():
        assert changed_defaults() == []
        assert keras.layers.Dense(1).compute_dtype == "float32"
        with pytest.raises(KeyError), keras_defaults():
            raise KeyError
    assert all(is_set() for is_set in still_set)
    assert np.isclose(keras.config.epsilon(), 0.5)
