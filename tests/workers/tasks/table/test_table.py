import json

import numpy as np
import pytest
from small_tables import LEVELS, SENSORS, changed, write_table

from workers.settings.table_task import TableTask
from workers.tasks.registry import make_family
from workers.tasks.splits import SPLITS
from workers.tasks.table.family import TableFamily
from workers.wire.errors import DataError
from workers.wire.protocol import Draw, take

DRAW = Draw(seed=3, split="train", step=7)
#: Sensor e, which lies far from the others, is for testing.
SPLIT = {"train": ["a", "b"], "validation": ["c", "d"], "test": ["e"]}


@pytest.fixture
def make(tmp_path):
    """A family over five sensors of eight rows, split as in SPLIT."""

    def make_with(columns=SENSORS, split=SPLIT, name="a.parquet", **changes):
        common = {"task_column": "sensor", "shots": 2, "queries": 3}
        common["target_column"] = "level" if "level" in columns else "ppm"
        if split is not None:
            (tmp_path / "split.json").write_text(json.dumps(split))
            common["split_file"] = str(tmp_path / "split.json")
        path = write_table(tmp_path / name, columns)
        return TableFamily(TableTask(**{"path": str(path), **common, **changes}))

    return make_with


def rows_of(specs):
    return np.concatenate([specs["support_rows"], specs["query_rows"]], axis=1)


def test_the_registry_makes_it(make, tmp_path):
    family = make(split=None, train_tasks=3, validation_tasks=1, test_tasks=1)
    task = TableTask(
        path=str(tmp_path / "a.parquet"),
        task_column="sensor",
        target_column="ppm",
        train_tasks=3,
        validation_tasks=1,
        test_tasks=1,
    )
    assert make_family(task).digest == family.digest


@pytest.mark.parametrize("columns", [SENSORS, LEVELS])
def test_the_same_task_for_the_same_seed_step_and_index(make, columns):
    family = make(columns, shots=1, queries=2)
    whole = family.sample(DRAW, 0, 10, 1, 2)
    for lo, hi in ((0, 1), (4, 7), (9, 10), (5, 5)):
        part = family.sample(DRAW, lo, hi, 1, 2)
        for name, values in take(whole, lo, hi).items():
            np.testing.assert_array_equal(part[name], values)
            assert part[name].dtype == np.int32


@pytest.mark.parametrize("other", [Draw(4, "train", 7), Draw(3, "train", 8)])
def test_another_seed_or_step_is_another_task(make, other):
    family = make()
    one, two = (family.sample(draw, 0, 10, 2, 3)["support_rows"] for draw in (DRAW, other))
    assert (one != two).any()


def test_a_seeds_tasks_never_change(make):
    specs = make().sample(DRAW, 5, 7, 2, 3)
    assert {name: rows.tolist() for name, rows in specs.items()} == {
        "support_rows": [[6, 1], [7, 4]],
        "query_rows": [[2, 7, 0], [6, 1, 5]],
    }


def test_a_task_is_of_one_group_and_of_its_split_and_no_row_is_in_it_twice(make):
    family = make()
    for split, names in SPLIT.items():
        drawn = rows_of(family.sample(Draw(0, split, 0), 0, 100, 2, 3))
        sensors = np.array(SENSORS["sensor"])[drawn]
        assert (sensors == sensors[:, :1]).all()
        assert set(sensors.ravel()) == set(names)
        assert all(len(set(rows)) == 5 for rows in drawn.tolist())


def test_every_row_is_drawn(make):
    drawn = rows_of(make().sample(DRAW, 0, 300, 2, 3))
    assert set(drawn.ravel().tolist()) == set(range(16))


def test_values_are_those_of_the_table_standardized_by_training_rows_alone(make):
    """Fails if a row of validation or testing leaks into the scale: sensor e is far off."""
    family = make()
    for split in SPLITS:
        specs = family.sample(Draw(0, split, 0), 0, 20, 2, 3)
        episode = family.build(specs)
        for rows, inputs, targets in (
            (specs["support_rows"], episode.support_inputs, episode.support_targets),
            (specs["query_rows"], episode.query_inputs, episode.query_targets),
        ):
            for place, name in enumerate(("reading", "humidity")):
                np.testing.assert_allclose(inputs[..., place], by_train(name)[rows], rtol=1e-6)
            np.testing.assert_allclose(targets[..., 0], by_train("ppm")[rows], rtol=1e-6)
            assert inputs.dtype == targets.dtype == np.float32
    assert (family.input_shape, family.num_outputs, family.loss) == ((2,), 1, "mse")


def by_train(name):
    column, train = np.array(SENSORS[name]), np.array(SENSORS[name][:16])
    return (column - train.mean()) / train.std()


def test_what_is_not_for_training_changes_neither_scale_nor_training_tasks(make):
    one, other = make(), make(changed(SENSORS, "reading", 39, -1e6))
    assert one.preparation == other.preparation
    assert one.digest != other.digest
    specs = one.sample(DRAW, 0, 20, 2, 3)
    for before, after in zip(one.build(specs), other.build(specs), strict=True):
        np.testing.assert_array_equal(before, after)
    moved = make(changed(SENSORS, "reading", 0, -1e6))
    assert moved.preparation != one.preparation


def test_classes_are_the_same_in_every_task_and_come_one_after_another(make):
    family = make(LEVELS, shots=1, queries=2)
    specs = family.sample(DRAW, 0, 20, 1, 2)
    episode = family.build(specs)
    assert episode.support_targets.tolist() == [[0, 1]] * 20
    assert episode.query_targets.tolist() == [[0, 0, 1, 1]] * 20
    levels = np.array(LEVELS["level"])
    assert (levels[specs["query_rows"]] == ["high", "high", "low", "low"]).all()
    assert episode.query_targets.dtype == np.int32
    assert family.preparation["classes"] == ["high", "low"]
    assert family.preparation["target"] is None
    assert (family.num_outputs, family.num_train_classes, family.loss) == (2, None, "cross_entropy")


def test_classes_of_a_csv_are_as_they_are_written(make, tmp_path):
    lines = ["sensor,reading,level", *(f"0{i % 3},{i},0{i // 3 % 2}" for i in range(60))]
    (tmp_path / "b.csv").write_text("\n".join(lines))
    task = TableTask(
        path=str(tmp_path / "b.csv"),
        task_column="sensor",
        target_column="level",
        target="class",
        train_tasks=1,
        validation_tasks=1,
        test_tasks=1,
    )
    assert TableFamily(task).preparation["classes"] == ["00", "01"]
    truths = tmp_path / "b.csv"
    truths.write_text(truths.read_text().replace(",00", ",true").replace(",01", ",FALSE"))
    task = task.model_copy(update={"target": "auto"})
    assert TableFamily(task).preparation["classes"] == ["FALSE", "true"]


@pytest.mark.parametrize("name", ["a.csv", "a.arrow", "a.feather"])
def test_every_kind_of_file_makes_the_same_tasks(make, name):
    assert make(name=name).digest == make().digest


def test_the_order_of_the_tasks_in_the_file_does_not_change_the_split(make):
    backwards = {name: column[::-1] for name, column in SENSORS.items()}
    counts = {"train_tasks": 2, "validation_tasks": 2, "test_tasks": 1}
    families = [make(columns, None, **counts) for columns in (SENSORS, backwards)]
    one, two = (family.protocol("test") for family in families)
    assert one["split_hash"] == two["split_hash"]
    assert one["data_digest"] != two["data_digest"]


def test_tasks_with_few_rows_are_refused_by_name_or_left_out(make):
    """Which tasks are for testing does not hang on that."""
    few = {name: column[:-5] for name, column in SENSORS.items()}
    family = make(few)
    assert family.sample(DRAW, 0, 1, 2, 3)
    message = "the task 'e' has 3 rows, shots and queries need 5 .so it is with 1 of 1 tasks.*leave"
    with pytest.raises(DataError, match=message):
        family.sample(Draw(0, "test", 0), 0, 1, 2, 3)
    with pytest.raises(DataError, match=r"need 9 .*; lower shots or queries$"):
        family.sample(Draw(0, "test", 0), 0, 1, 4, 5)
    with pytest.raises(DataError, match=r"none .5 rows or more. is left for test: every split"):
        make(few, small_tasks="leave_out")
    split = {"train": ["a", "b"], "validation": ["c"], "test": ["d", "e"]}
    family = make(few, split, small_tasks="leave_out")
    drawn = rows_of(family.sample(Draw(0, "test", 0), 0, 20, 2, 3))
    assert set(np.array(SENSORS["sensor"])[drawn].ravel()) == {"d"}
    assert family.describe()["tasks_left_out"] == 1
    assert family.protocol("test")["different_tasks"] == 1
    with pytest.raises(DataError, match=r"'d' has 8 rows.* need 9 .*; lower evaluation.shots"):
        family.sample(Draw(0, "test", 0), 0, 1, 4, 5)


def test_a_task_without_a_class_is_told(make):
    one_sided = {**LEVELS, "level": [*LEVELS["level"][:-8], *["low"] * 8]}
    family = make(one_sided, shots=1, queries=2)
    with pytest.raises(DataError, match="the task 'e' has 0 rows of class 'high'"):
        family.sample(Draw(0, "test", 0), 0, 1, 1, 2)


@pytest.mark.parametrize(
    ("split", "changes", "message"),
    [
        ({**SPLIT, "test": ["e", "a"]}, {}, "'a' is listed in 'train' and in 'test'; list each"),
        ({**SPLIT, "test": ["f"]}, {}, "'test' lists 'f', which is not in the source; its 5 tasks"),
        ({**SPLIT, "test": []}, {}, r"has 5 tasks .*'sensor'\), and none is left for test"),
        (None, {"train_tasks": 5}, "task.train_tasks = 5 .* but the source has 5 tasks; lower"),
        (None, {"train_tasks": 4, "validation_tasks": 1}, "and none is left for test: every split"),
    ],
)
def test_a_wrong_split_is_told(make, split, changes, message):
    with pytest.raises(DataError, match=message):
        make(split=split, **changes)


def test_tasks_fewer_than_splits_are_refused_and_as_many_are_one_each(make):
    two, three = ({name: c[: 8 * n] for name, c in SENSORS.items()} for n in (2, 3))
    with pytest.raises(DataError, match=r"only 2 of the tasks that are split"):
        make(two, None)
    described = make(three, None).describe()
    assert [described[f"{split}_tasks"] for split in SPLITS] == [1, 1, 1]


@pytest.mark.parametrize(
    ("columns", "changes", "message"),
    [
        (
            SENSORS,
            {"task_column": "site"},
            r"no column 'site' \(task.task_column\); it has",
        ),
        (SENSORS, {"target_column": "y"}, r"no column 'y' \(task.target_column\); it has"),
        (changed(SENSORS, "sensor", 4, None), {}, "row 4 has no 'sensor'"),
        (changed(SENSORS, "sensor", 4, ""), {"name": "a.csv"}, "row 4 has no 'sensor'"),
        (changed(SENSORS, "ppm", 4, None), {"name": "a.csv"}, "row 4 has no 'ppm'"),
        (
            {**SENSORS, "ppm": [3.0] * 40},
            {},
            "'ppm' is 3 in every row .*choose another task.target",
        ),
        (changed(SENSORS, "reading", 39, 1e300), {}, "row 39 has 'reading' = 1e.300, too far"),
    ],
)
def test_a_wrong_table_is_told(make, columns, changes, message):
    with pytest.raises(DataError, match=message) as caught:
        make(columns, **changes)
    assert "\n" not in str(caught.value)
    assert "a.csv" in str(caught.value) or "a.parquet" in str(caught.value)


def test_the_protocol_says_where_tasks_are_from_and_what_the_loss_is_in(make):
    found = make().protocol("test")
    assert len(found.pop("split_hash")) == len(found.pop("data_digest")) == 64
    assert found == {
        "tasks_from": "a.parquet, by 'sensor'",
        "different_tasks": 1,
        "features": "reading, humidity",
        "target": "ppm",
        "unit_of_the_loss": "the square of 46.1, the target's standard deviation over training "
        "tasks",
    }
    assert make().protocol("train")["different_tasks"] == 2
    assert make(LEVELS, shots=1, queries=2).protocol("test")["classes"] == "high, low"


def test_the_description_tells_what_there_is(make):
    found = make({**SENSORS, "note": ["x"] * 40}).describe()
    assert found.pop("source").endswith("a.parquet")
    assert len(found.pop("split_hash")) == 64
    assert found == {
        "rows": 40,
        "tasks": 5,
        "rows_per_task": [8, 8],
        "features": ["reading", "humidity"],
        "columns_left_out": ["note (no numbers)"],
        "target": "ppm",
        "target_in_training": "75, standard deviation 46.1",
        "train_tasks": 2,
        "validation_tasks": 2,
        "test_tasks": 1,
        "tasks_left_out": 0,
    }
    found = make(LEVELS, shots=1, queries=2).describe()
    assert found["classes"] == ["high", "low"]
    assert found["rows_per_task_and_class"] == [4, 4]


def test_the_digest_changes_with_what_decides_the_weights(make):
    swapped = changed(changed(SENSORS, "sensor", 0, "b"), "sensor", 8, "a")
    families = [
        make(),
        make(split={**SPLIT, "validation": ["c", "e"], "test": ["d"]}),
        make(feature_columns=("reading",)),
        make(feature_columns=("humidity", "reading")),
        make(changed(SENSORS, "ppm", 39, 7.0)),
        make(changed(SENSORS, "reading", 39, 7.0)),
        make(swapped),
    ]
    assert len({family.digest for family in families}) == len(families)
    assert make().digest == families[0].digest


def test_a_task_is_called_by_its_group(make):
    family = make()
    specs = family.sample(DRAW, 0, 20, 2, 3)
    names = family.names(specs)
    assert set(names) == {"a", "b"}
    for name, rows in zip(names, rows_of(specs), strict=True):
        assert {SENSORS["sensor"][row] for row in rows} == {name}


@pytest.mark.parametrize("form", ["{} kg", "{} %", "${}", "({})", "−{}"])
def test_a_feature_of_numbers_with_something_beside_them_is_told(make, form):
    cells = [form.format(i) for i in range(40)]
    (note,) = make({**SENSORS, "x": cells}).notes()
    assert note == (
        f"the column x (no plain numbers, such as {cells[0]!r}) is left out; write its numbers "
        "without a unit or other signs"
    )


@pytest.mark.parametrize("form", ["2026-01-{:02}", "12:{:02}", "st{}", "a {} b"])
def test_a_column_of_texts_is_left_out_without_a_word(make, form):
    family = make({**SENSORS, "x": [form.format(i) for i in range(40)]})
    assert family.notes() == []
    assert family.describe()["columns_left_out"] == ["x (no numbers)"]


def test_a_target_of_which_no_value_recurs_is_no_class(make):
    such = {**SENSORS, "ppm": [f"{i} kg" for i in range(40)]}
    with pytest.raises(DataError, match="holds 40 different texts in 40 rows, such as '0 kg'"):
        make(such)
