"""Tasks of a table: what is drawn, and the arrays made of it."""

import numpy as np
import pytest
from small_table_families import DRAW, SPLIT, rows_of, table_family_maker
from small_tables import LEVELS, SENSORS, changed

from workers.settings.table_task import TableTask
from workers.tasks.registry import make_family
from workers.tasks.splits import SPLITS
from workers.tasks.table.family import TableFamily
from workers.wire.protocol import Draw, take


@pytest.fixture
def make(tmp_path):
    """A family over five sensors of eight rows, split as in SPLIT."""
    return table_family_maker(tmp_path)


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
