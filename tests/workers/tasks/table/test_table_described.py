"""What a family of a table says of itself."""

import pytest
from small_table_families import DRAW, SPLIT, rows_of, table_family_maker
from small_tables import LEVELS, SENSORS, changed


@pytest.fixture
def make(tmp_path):
    """A family over five sensors of eight rows, split as in SPLIT."""
    return table_family_maker(tmp_path)


def test_the_protocol_says_where_tasks_are_from_and_what_the_loss_is_in(make):
    described = make().protocol("test")
    assert len(described.pop("split_hash")) == len(described.pop("data_digest")) == 64
    assert described == {
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
    described = make({**SENSORS, "note": ["x"] * 40}).describe()
    assert described.pop("source").endswith("a.parquet")
    assert len(described.pop("split_hash")) == 64
    assert described == {
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
    described = make(LEVELS, shots=1, queries=2).describe()
    assert described["classes"] == ["high", "low"]
    assert described["rows_per_task_and_class"] == [4, 4]


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
