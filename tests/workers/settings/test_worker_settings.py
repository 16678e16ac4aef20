import pickle

import pytest
from pydantic import ValidationError

from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm
from workers.models.conv4 import Conv4Model
from workers.models.linear import LinearModel
from workers.models.mlp import MlpModel
from workers.settings.images_task import ImagesTask
from workers.settings.sinusoid_task import SinusoidTask
from workers.settings.table_task import TableTask
from workers.settings.worker import ActorSettings, RuntimeSettings


def make(model=None, task=None, **changes):
    return ActorSettings(
        task=task or ImagesTask(),
        model=model or MlpModel(),
        algorithm=MamlAlgorithm(),
        **changes,
    )


@pytest.mark.parametrize(
    ("model", "runtime", "execution"),
    [
        (LinearModel(), {}, ("vectorized", True)),
        (MlpModel(), {}, ("vectorized", True)),
        (Conv4Model(), {}, ("map", False)),
        (MlpModel(), {"execution": "map"}, ("map", True)),
        (MlpModel(), {"execution": "vectorized"}, ("vectorized", True)),
        (MlpModel(), {"xla": False}, ("vectorized", False)),
        (Conv4Model(), {"execution": "vectorized"}, ("vectorized", False)),
        (Conv4Model(), {"xla": True}, ("map", True)),
        (Conv4Model(), {"xla": True, "execution": "vectorized"}, ("vectorized", True)),
    ],
)
def test_execution_is_a_table_by_the_models_kind_unless_it_is_set(model, runtime, execution):
    assert make(model, runtime=RuntimeSettings(**runtime)).execution == execution


def test_a_kind_chooses_the_section():
    settings = ActorSettings.model_validate(
        {"task": {"kind": "sinusoid"}, "model": {"kind": "mlp"}, "algorithm": {"kind": "reptile"}}
    )
    assert isinstance(settings.task, SinusoidTask)
    assert isinstance(settings.algorithm, ReptileAlgorithm)


@pytest.mark.parametrize(
    ("section", "changes", "field"),
    [
        (MamlAlgorithm, {"inner_lr": 0}, "inner_lr"),
        (MamlAlgorithm, {"inner_lr": float("nan")}, "inner_lr"),
        (MamlAlgorithm, {"inner_steps": 0}, "inner_steps"),
        (MamlAlgorithm, {"inner_loss": "sum"}, "inner_loss"),
        (MamlAlgorithm, {"iner_lr": 0.1}, "iner_lr"),
        (ReptileAlgorithm, {"inner_batch": 0}, "inner_batch"),
        (SinusoidTask, {"amplitude": (5, 1)}, "amplitude"),
        (SinusoidTask, {"shots": 0}, "shots"),
        (ImagesTask, {"ways": 1}, "ways"),
        (MlpModel, {"hidden": (0,)}, "hidden"),
        (Conv4Model, {"normalization": "instance"}, "normalization"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(section, changes, field):
    with pytest.raises(ValidationError) as raised:
        section(**changes)
    assert [error["loc"][0] for error in raised.value.errors()] == [field]


@pytest.mark.parametrize(
    "task", [SinusoidTask(), TableTask(path="a.csv", task_column="a", target_column="b")]
)
def test_convolutions_do_not_take_numbers(task):
    with pytest.raises(ValidationError, match=r"model\.kind = 'conv4' takes images"):
        make(Conv4Model(), task)


def test_convolutions_do_not_take_images_that_vanish():
    with pytest.raises(ValidationError, match=r"task\.image_size = 15 is too small"):
        make(Conv4Model(), ImagesTask(image_size=15))
    make(Conv4Model(), ImagesTask(image_size=16))
    make(MlpModel(), ImagesTask(image_size=8))


def test_settings_are_frozen_and_travel():
    settings = make()
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 1
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert ActorSettings.model_validate(settings.model_dump(mode="json")) == settings
