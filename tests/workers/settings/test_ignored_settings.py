"""A setting that would mean nothing beside another one is refused where the table is read."""

import pytest
from pydantic import ValidationError

from workers.models.text import TextModel
from workers.models.transformer import TransformerModel
from workers.settings.generation_task import GenerationTask
from workers.settings.images_task import ImagesTask
from workers.settings.npz_task import NpzTask
from workers.settings.signal_task import SignalTask
from workers.settings.table_task import TableTask
from workers.settings.text_tasks import MatchingTask, TextTask
from workers.tasks.images.split_folders import own_split
from workers.wire.errors import DataError

TABLE = {"task_column": "who", "target_column": "y"}
DOMAINS = {"split_by": "domains", "domain_column": "d"}
FORECAST = {"target": "forecast", "window": 8}
PER_TASK = {**TABLE, "target_scaling": "per_task"}
SPLIT = {"split_file": "s.json"}
BESIDE_A_FILE = "means nothing beside task.split_file, which lists each split; unset one of them"
REFUSED = [
    (TextTask, {"test_domains": 2}, "task.test_domains = 2 is for task.split_by = 'domains'"),
    (TextTask, {**DOMAINS, "train_classes": 3}, "task.train_classes = 3 is for task.split_by = 'c"),
    (TextTask, {**SPLIT, "train_classes": 3}, f"task.train_classes = 3 {BESIDE_A_FILE}"),
    (MatchingTask, {**SPLIT, "test_domains": 3}, f"task.test_domains = 3 {BESIDE_A_FILE}"),
    (NpzTask, {**SPLIT, "validation_tasks": 3}, f"task.validation_tasks = 3 {BESIDE_A_FILE}"),
    (GenerationTask, {**SPLIT, "split_seed": 1}, f"task.split_seed = 1 {BESIDE_A_FILE}"),
    (ImagesTask, {**SPLIT, "split_shares": [0.5, 0.3, 0.2]}, f"[0.5, 0.3, 0.2] {BESIDE_A_FILE}"),
    (ImagesTask, {**SPLIT, "split_by": "seed"}, f"task.split_by = 'seed' {BESIDE_A_FILE}"),
    (SignalTask, {"early_share": 0.3}, "task.early_share = 0.3 is for series, or for classes with"),
    (
        SignalTask,
        {**FORECAST, "apart": "time"},
        "task.apart = 'time' is not for task.target",
    ),
    (SignalTask, {**FORECAST, "label_column": "y"}, "task.label_column = 'y' is not for task.targ"),
    (TableTask, {**PER_TASK, "target": "class"}, "is for numbers, not for task.target = 'class'"),
    (
        TableTask,
        {**PER_TASK, "shots": 1},
        "task.shots = 1 with task.target_scaling = 'per_task': o",
    ),
    (TableTask, {**PER_TASK, "shots": [1, 9]}, "task.shots = [1, 9] with task.target_scaling = "),
]
ALLOWED = [
    (TextTask, {"test_classes": 2}),
    (TextTask, {**DOMAINS, "train_domains": 3}),
    (TextTask, {**DOMAINS, **SPLIT}),
    (MatchingTask, {"test_path": "b.csv", "validation_domains": 2}),
    (SignalTask, {"apart": "time", "early_share": 0.3}),
    (SignalTask, {**FORECAST, "early_share": 0.3}),
    (TableTask, {**PER_TASK, "shots": [2, 9]}),
    (TableTask, {**TABLE, "shots": 1}),
]


@pytest.mark.parametrize(("task", "settings", "message"), REFUSED)
def test_what_means_nothing_is_refused(task, settings, message):
    with pytest.raises(ValidationError) as caught:
        task(path="a.csv", **settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(("task", "settings"), ALLOWED)
def test_what_means_something_is_not(task, settings):
    task(path="a.csv", **settings)


@pytest.mark.parametrize("model", [TextModel, TransformerModel])
def test_models_without_batch_normalization_have_no_statistics(model):
    with pytest.raises(ValidationError, match=r"model\.kind = '.*' has not; unset it"):
        model(statistics="support")


def test_folders_that_split_leave_nothing_to_shares_or_a_seed():
    names = ["test/c", "train/a", "val/b"]
    assert own_split(names, ImagesTask()) is not None
    for drawn in ({"split_seed": 3}, {"split_shares": (0.5, 0.3, 0.2)}):
        message = (
            r"means nothing beside folders train, val and test.* task\.split_by to 'folders' or"
        )
        with pytest.raises(DataError, match=message):
            own_split(names, ImagesTask(**drawn))
        assert own_split(names, ImagesTask(split_by="folders", **drawn)) is not None
        assert own_split(names, ImagesTask(split_by="seed", **drawn)) is None
        assert own_split(["a", "b", "c"], ImagesTask(**drawn)) is None


def test_a_table_in_units_of_the_task_states_no_chance():
    assert TableTask(path="a.csv", **TABLE).chance == 1.0
    assert TableTask(path="a.csv", **PER_TASK).chance is None
