"""The sources of a user's model, and what is refused."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import user_models
from small_families import NoiseFamily, noise_settings

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.protonet import ProtoNetAlgorithm
from workers.model_checks.user_model import check_model
from workers.models.registry import make_model
from workers.models.user_model import KerasModel
from workers.wire.tensors import to_vector

FOLDER = str(Path(__file__).parents[2] / "fakes/tasks")


def of(name, **options):
    return KerasModel(source=f"user_models:{name}", folder=FOLDER, **options)


def check(model, input_shape=(4,), algorithm=None):
    """Build and check a model as the driver does, for 3 ways."""
    settings = noise_settings(model=model, algorithm=algorithm or MamlAlgorithm())
    return check_model(settings, NoiseFamily(input_shape))


@pytest.fixture
def saved(tmp_path):
    """A .keras file, and the model that is in it."""
    model = user_models.small((4,), 3)
    model.save(tmp_path / "small.keras")
    return tmp_path / "small.keras", model


def test_a_function_is_given_what_it_takes_and_the_arguments():
    model = make_model(of("small", arguments={"width": 4}), (2, 3), 7)
    assert model.shapes[0] == (6, 4)
    assert model.shapes[-1] == (7,)
    assert make_model(of("subclassed"), (5,), 2).shapes[0] == (5, 5)
    assert make_model(of("for_pictures"), (32, 32, 3), 2).shapes[-1] == (3,)


def test_a_file_is_loaded_with_its_weights(saved):
    file, model = saved
    functional = make_model(KerasModel(source=str(file)), (4,), 3)
    np.testing.assert_array_equal(
        to_vector(functional.initial_weights()),
        to_vector([v.numpy() for v in model.trainable_variables]),
    )


def test_a_subclassed_model_is_loaded_if_a_module_registers_it(tmp_path):
    model = user_models.Subclassed(2)
    model(np.zeros((1, 5)))
    model.save(tmp_path / "own.keras")
    settings = KerasModel(
        source=str(tmp_path / "own.keras"), folder=FOLDER, imports=("user_models",)
    )
    assert type(make_model(settings, (5,), 2).keras_model).__name__ == "Subclassed"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_model", "returned an object of type list, not a keras.Model"),
        ("leaves", r"raised SystemExit when it was called with \(\): 0"),
        ("raises", r"raised RuntimeError when it was called with \(\): no model today"),
        ("absent", "user_models has no function 'absent'; it has small, subclassed"),
        ("for_pictures", r"takes examples of shape \(32, 32, 3\), but the tasks have \(4,\)"),
        ("one_of_two_outputs", "returns a list of outputs; the tasks need one tensor"),
        ("softmax", "ends in a softmax; the loss takes logits"),
        ("nothing_to_train", "has no trainable weights"),
        ("tensorflows_noise", r"no task's seed determines \(RandomStandardNormal\)"),
        ("global_noise", r"no task's seed determines \(keras.random without a seed\)"),
        ("counting", "changes .*count, of type int32; only floats can be carried"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(name, message):
    with pytest.raises(ValueError, match=message) as refusal:
        check(of(name))
    assert "\n" not in str(refusal.value)


def test_a_head_with_fewer_outputs_than_ways_is_refused_and_both_shapes_are_said():
    family = NoiseFamily((4,))
    family.num_outputs = 5
    settings = noise_settings(model=of("three_outputs"))
    message = r"outputs \[batch, 3\] .* inputs \[batch, 4\]; .* need logits \[batch, 5\] float32"
    with pytest.raises(ValueError, match=message):
        check_model(settings, family)
    check(of("three_outputs"))  # as many as ways


@pytest.mark.slow
def test_inputs_that_a_subclassed_model_cannot_take_are_refused():
    model = user_models.Subclassed(3)
    model(np.zeros((1, 5)))
    for shape in [(5,), (6,)]:
        settings = KerasModel(
            source=f"{__name__}:made", folder=FOLDER, arguments={"shape": list(shape)}
        )
        if shape == (5,):
            check(settings, input_shape=(5,))
        else:
            with pytest.raises(ValueError, match=r"cannot be called on examples of shape \(5,\)"):
                check(settings, input_shape=(5,))


def made(shape):
    """A subclassed model that is built for examples of `shape`."""
    model = user_models.Subclassed(3)
    model(np.zeros((1, *shape)))
    return model


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "nowhere:small",
            "there is no module 'nowhere' in .*tests/fakes/tasks or among the installed",
        ),
        ("user_models", "neither 'module:function' nor a file that ends in .keras"),
        ("absent.keras", "there is no file .*absent.keras"),
        ("user_models.keras", "is no .keras file"),
    ],
)
def test_a_source_that_is_none_is_refused(tmp_path, source, message):
    folder = FOLDER
    if source == "user_models.keras":
        folder = str(tmp_path)
        shutil.copy(Path(FOLDER, "user_models.py"), tmp_path / source)
    with pytest.raises(ValueError, match=message):
        check(KerasModel(source=source, folder=folder))


def test_arguments_are_for_functions(saved):
    file, _ = saved
    with pytest.raises(ValueError, match=r"model.arguments = \{'width': 3\} are for a function"):
        check(KerasModel(source=str(file), arguments={"width": 3}))


def test_modules_that_break_or_miss_something_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path(tmp_path, "breaks_when_imported.py").write_text("1 / 0")
    Path(tmp_path, "misses_something.py").write_text("import nothing_like_it")
    for module, message in [
        (
            "breaks_when_imported",
            "cannot be imported: ZeroDivisionError at breaks_when.* line 1 .*: division by",
        ),
        ("misses_something", "needs 'nothing_like_it', which is not there"),
    ]:
        with pytest.raises(ValueError, match=message):
            check(KerasModel(source=f"{module}:f", folder=str(tmp_path)))


@pytest.mark.parametrize("name", ["workers", "orchestrator"])
@pytest.mark.parametrize("package", [True, False])
def test_a_module_of_the_users_that_hides_ours_is_refused(tmp_path, name, package):
    file = tmp_path / name / "__init__.py" if package else tmp_path / f"{name}.py"
    file.parent.mkdir(exist_ok=True)
    file.touch()
    with pytest.raises(ValueError, match=f"{file} hides metatrain's own package '{name}'"):
        check(KerasModel(source="mine:f", folder=str(tmp_path)))


def test_a_layer_without_a_second_derivative_is_refused_by_name_where_it_is_needed():
    message = r"the layer 'softened' \(Activation\) has no second derivative .* 'maml' needs it"
    with pytest.raises(ValueError, match=message):
        check(of("softened"), (8, 8, 1))
    check(of("softened"), (8, 8, 1), MamlAlgorithm(first_order=True))
    check(of("softened"), (8, 8, 1), JointAlgorithm())
    check(of("softened"), (8, 8, 1), AnilAlgorithm())  # its inner loop is of the head alone
    check(of("softened", second_derivative="trusted"), (8, 8, 1))


def test_a_fault_in_the_models_own_call_is_found():
    with pytest.raises(
        ValueError, match=r"the layer 'centered' \(Centered\) has a missing or wrong"
    ):
        check(of("centered"))


@pytest.mark.parametrize(
    ("name", "statistics", "normalizations", "mixes"),
    [
        ("subclassed", "batch", ["batch"], True),
        ("subclassed", "running", ["batch"], False),
        ("centered", "batch", [], True),
        ("frozen_normalization", "batch", [], False),
        ("reversed_gradient", "batch", [], False),
    ],
)
def test_whether_an_answer_depends_on_the_other_queries_is_tried(
    name, statistics, normalizations, mixes
):
    facts = check(of(name, statistics=statistics), algorithm=MamlAlgorithm(first_order=True))
    assert (facts.normalizations, facts.mixes) == (normalizations, mixes)


@pytest.mark.slow
def test_a_head_that_is_not_the_layer_made_last_must_be_named():
    message = "made last is 'hidden', the one called last is 'answer'; .* model.head = 'answer'"
    with pytest.raises(ValueError, match=message):
        check(of("head_first"), algorithm=AnilAlgorithm())
    check(of("head_first", head="answer"), algorithm=AnilAlgorithm())
    check(of("head_first"))
    check(of("subclassed"), algorithm=AnilAlgorithm())


@pytest.mark.slow
def test_what_is_worth_saying_is_said():
    facts = check(of("small"))
    assert facts.normalizations == ["batch", "layer", "group"]
    assert "normalization layers made exact (1 batch, 1 layer, 1 group)" in facts.notes[1]
    assert facts.notes[0].endswith("head answer")
    assert "regularizers of its layers" in check(of("regularized")).notes[-1]
    assert check(of("frozen")).normalizations == []


def test_the_head_can_be_named():
    for _ in range(2):  # by the name that it has in a model built first
        model = make_model(of("small", head="dense"), (4,), 3)
        assert model.is_head[:3] == (True, True, False)
    assert make_model(of("small"), (4,), 3).is_head[-3:] == (False, True, True)
    with pytest.raises(ValueError, match=r"model\.head = 'nose': no layer with trainable weights"):
        make_model(of("small", head="nose"), (4,), 3)


def test_frozen_weights_are_the_same_wherever_the_model_is_built_and_are_part_of_its_identity():
    models = [make_model(of("frozen"), (4,), 3, seed) for seed in (1, 1, 2)]
    assert [model.shapes for model in models] == [[(4, 3), (3,)]] * 3
    one, again, other = (of("frozen").digest(model) for model in models)
    assert one == again != other
    x, theta = tf.ones((1, 4)), models[0].initial_weights()
    outputs = [model.apply(theta, [], x)[0].numpy() for model in models]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert np.abs(outputs[0] - outputs[2]).max() > 1e-3


def test_features_for_a_computed_head_are_cut_out_and_checked():
    running = of("small", statistics="running")
    assert check(running, algorithm=ProtoNetAlgorithm()).mixes is False
    check(of("small", statistics="support"), algorithm=ProtoNetAlgorithm())
    with pytest.raises(
        ValueError, match=r"user_models:centred_features' normalizes examples by others in"
    ):
        check(of("centred_features", statistics="running"), algorithm=ProtoNetAlgorithm())
    with pytest.raises(ValueError, match=r"has no weights in front of its head 'dense"):
        check(of("centred", statistics="running"), algorithm=ProtoNetAlgorithm())
    with pytest.raises(ValueError, match=r"cannot be cut in front of its head 'dense"):
        check(of("subclassed", statistics="running"), algorithm=ProtoNetAlgorithm())
    with pytest.raises(ValueError, match=r"model\.statistics = 'batch' is not for algorithm\.kind"):
        check(of("small"), algorithm=ProtoNetAlgorithm())
