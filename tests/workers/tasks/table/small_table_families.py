"""Families of a small table of sensors."""

import json

import numpy as np
from small_tables import SENSORS, write_table

from workers.settings.table_task import TableTask
from workers.tasks.table.family import TableFamily
from workers.wire.protocol import Draw

DRAW = Draw(seed=3, split="train", step=7)


#: Sensor e, which lies far from the others, is for testing.
SPLIT = {"train": ["a", "b"], "validation": ["c", "d"], "test": ["e"]}


def rows_of(specs):
    return np.concatenate([specs["support_rows"], specs["query_rows"]], axis=1)


def table_family_maker(folder):
    """Make families over five sensors of eight rows, split as in SPLIT."""

    def make_with(columns=SENSORS, split=SPLIT, name="a.parquet", **changes):
        common = {"task_column": "sensor", "shots": 2, "queries": 3}
        common["target_column"] = "level" if "level" in columns else "ppm"
        if split is not None:
            (folder / "split.json").write_text(json.dumps(split))
            common["split_file"] = str(folder / "split.json")
        path = write_table(folder / name, columns)
        return TableFamily(TableTask(**{"path": str(path), **common, **changes}))

    return make_with
