import numpy as np
import pytest
from small_tables import SENSORS, changed, write_table

from workers.settings.table_task import TableTask
from workers.tasks.table.columns import Scale, choose_features, read_target
from workers.tasks.table.rows import Rows
from workers.wire.errors import DataError

TRAIN = np.arange(16, dtype=np.int32)


@pytest.fixture
def features(tmp_path):
    def features_of(columns=SENSORS, train=TRAIN, **changes):
        return choose_features(*table(tmp_path, columns, **changes), train)

    return features_of


@pytest.fixture
def target(tmp_path):
    def target_of(columns, **changes):
        return read_target(*table(tmp_path, columns, **changes))

    return target_of


def table(folder, columns, suffix=".parquet", **changes):
    path = write_table(folder / f"a{suffix}", columns)
    common = {"path": str(path), "task_column": "sensor", "target_column": "ppm"}
    return Rows(path, ["sensor"]), TableTask(**{**common, **changes})


def test_a_scale_is_mean_and_deviation_of_the_training_rows():
    values = np.array([[1.0, 5], [3, 5], [100, 9], [7, np.nan]])
    scale = Scale.of(values, np.array([0, 1, 2]), ["a", "b"], "t.csv", "")
    np.testing.assert_allclose(scale.mean, values[:3].mean(0))
    np.testing.assert_allclose(scale.sd, values[:3].std(0))
    scaled = scale.apply(values, "t.csv")
    np.testing.assert_allclose(scaled[:3].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled[:3].std(0), 1, rtol=1e-6)
    assert scaled.dtype == np.float32
    assert scaled[3, 1] == 0  # missing: the mean
    np.testing.assert_allclose(scale.undo(scaled)[:3], values[:3], rtol=1e-6)


def test_a_scale_comes_back_from_json_as_it_was():
    scale = Scale.of(np.random.default_rng(0).normal(size=(9, 2)), TRAIN[:5], "ab", "t.csv", "")
    again = Scale.from_dict(scale.as_dict())
    values = np.random.default_rng(1).normal(size=(4, 2))
    np.testing.assert_array_equal(again.apply(values, ""), scale.apply(values, ""))
    assert again.names == ("a", "b")


def test_what_is_missing_is_no_part_of_the_scale():
    values = np.array([[1.0], [np.nan], [3]])
    assert Scale.of(values, np.arange(3), ["a"], "t.csv", "").mean == [2]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([2.0, 2, 5], "t.csv: 'a' is 2 in every row in the training tasks, which .*; drop it"),
        ([np.nan, np.nan, 5], "'a' has no value in the training tasks"),
        ([1e-200, 3e-200, 5], "'a' runs from 1e-200 to 3e-200 in the training tasks"),
        ([-1e308, 1.5e308, 5], "'a' runs from -1e.308 to 1.5e.308 in the training tasks"),
    ],
)
def test_a_column_without_a_spread_is_refused(column, message):
    with pytest.raises(DataError, match=message):
        Scale.of(np.array(column)[:, None], np.array([0, 1]), ["a"], "t.csv", "drop it")


def test_a_value_beyond_float32_is_named_by_its_row():
    values = np.array([[0.0], [1e-3], [1e36]])
    scale = Scale.of(values, np.array([0, 1]), ["a"], "t.csv", "")
    with pytest.raises(DataError, match=r"t.csv: row 2 has 'a' = 1e.36, too far from the"):
        scale.apply(values, "t.csv")


def test_features_are_the_other_columns_of_numbers_that_vary(features):
    chosen = features(
        {
            "": [*range(40)],
            **SENSORS,
            "note": ["x"] * 40,
            "site": [3] * 40,
            "late": [0] * 16 + [1] * 24,
            "on": [True, False] * 20,
            "unknown": [None] * 40,
        }
    )
    assert chosen.scale.names == ("reading", "humidity", "on")
    assert chosen.left_out == [
        " (an index)",
        "note (no numbers)",
        "unknown (no numbers)",
        "site (constant)",
        "late (constant)",
    ]
    np.testing.assert_array_equal(chosen.values[:, 0], SENSORS["reading"])


def test_named_features_keep_their_order(features):
    chosen = features(feature_columns=("humidity", "reading"))
    assert chosen.scale.names == ("humidity", "reading")
    assert chosen.left_out == []


def test_the_mean_takes_the_place_of_what_is_missing_where_that_is_asked_for(features):
    holed = changed(SENSORS, "reading", 3, None)
    with pytest.raises(DataError, match=r"row 3 has no 'reading' .*task.nulls=mean"):
        features(holed)
    chosen = features(holed, nulls="mean")
    known = [value for row, value in enumerate(SENSORS["reading"][:16]) if row != 3]
    assert chosen.scale.mean[0] == pytest.approx(np.mean(known))
    assert chosen.scale.apply(chosen.values, "")[3, 0] == 0


SLIP = changed({**SENSORS, "humidity": list(map(str, SENSORS["humidity"]))}, "humidity", 30, "wet")


@pytest.mark.parametrize(
    ("columns", "changes", "message"),
    [
        (SENSORS, {"feature_columns": ("gone",)}, r"no column 'gone' \(task.feature_columns\)"),
        ({**SENSORS, "site": [3] * 40}, {"feature_columns": ("site",)}, "'site' is 3 in every row"),
        ({**SENSORS, "n": ["x"] * 40}, {"feature_columns": ("n",)}, "row 0 has 'n' = 'x'; numbers"),
        (changed(SENSORS, "humidity", 39, float("inf")), {}, "row 39 has 'humidity' = inf"),
        (changed(SENSORS, "humidity", 39, float("nan")), {}, "row 39 has no 'humidity'"),
        (SLIP, {}, "row 30 has 'humidity' = 'wet'; numbers are needed; or name the others"),
        (SLIP, {"suffix": ".csv"}, "row 30 has 'humidity' = 'wet'; numbers are needed"),
        (
            {name: SENSORS[name] for name in ("sensor", "ppm")},
            {},
            "no column except task and target holds numbers that vary; it has 'sensor', 'ppm'",
        ),
    ],
)
def test_wrong_features_are_told_by_column_and_row(features, columns, changes, message):
    with pytest.raises(DataError, match=message):
        features(columns, **changes)


def test_a_target_of_numbers_is_a_value_unless_it_is_asked_to_be_a_class(target):
    result = target(SENSORS)
    assert result.classes is None
    np.testing.assert_array_equal(result.values, SENSORS["ppm"])
    whole = {**SENSORS, "ppm": [2, 10] * 20}
    assert target(whole).classes is None
    result = target(whole, target="class")
    assert result.classes == ["10", "2"]
    assert result.values.tolist() == [1, 0] * 20


@pytest.mark.parametrize(
    ("column", "classes"),
    [(["low", "high"] * 20, ["high", "low"]), ([True, False] * 20, ["False", "True"])],
)
def test_a_target_of_texts_or_truth_values_is_a_class(target, column, classes):
    result = target({**SENSORS, "ppm": column})
    assert result.classes == classes
    assert result.values.tolist() == [1, 0] * 20


@pytest.mark.parametrize(
    ("column", "changes", "message"),
    [
        (["low"] * 40, {}, r"'ppm' \(task.target_column\) is 'low' in every row"),
        (["low", None] * 20, {}, "row 1 has no 'ppm'"),
        ([1.0, None] * 20, {}, "row 1 has no 'ppm'"),
        ([1.0, float("inf")] * 20, {}, "row 1 has 'ppm' = inf"),
        ([*map(str, range(39)), "?"], {}, "row 39 has 'ppm' = '.'; numbers .*task.target=class"),
        (["low", "high"] * 20, {"target": "value"}, "row 0 has 'ppm' = 'low'; numbers are needed"),
    ],
)
def test_a_wrong_target_is_told_by_its_row(target, column, changes, message):
    with pytest.raises(DataError, match=message):
        target({**SENSORS, "ppm": column}, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_column": "sensor"}, "task_column and task.target_column are both 'sensor'"),
        ({"feature_columns": ("x", "ppm")}, "task.feature_columns has 'ppm', which is the task's"),
        ({"feature_columns": ("x", "x")}, "name one or more columns, each once"),
        ({"feature_columns": ()}, "name one or more columns, each once"),
    ],
)
def test_columns_that_cannot_be_are_refused_before_the_file_is_read(changes, message):
    common = {"path": "a.csv", "task_column": "sensor", "target_column": "ppm"}
    with pytest.raises(ValueError, match=message):
        TableTask(**{**common, **changes})
