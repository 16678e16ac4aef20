"""Signals of which no task can be made: said in one line."""

import json

import pytest
from small_signals import npz, sines, walks
from test_wrong_signals import refused

from workers.settings.signal_task import SignalTask
from workers.tasks.registry import make_family
from workers.tasks.splits import SPLITS
from workers.wire.errors import DataError
from workers.wire.protocol import Draw


def test_no_series_is_left(tmp_path):
    file = npz(tmp_path / "a.npz", x=walks(length=40))
    forecast = {"target": "forecast", "window": 9, "ways": None, "small_classes": "leave_out"}
    refused(
        r"a\.npz has 10 series, and none that has enough windows is left for train: every split "
        r"needs one; set task\.train_tasks",
        file,
        shots=3,
        **forecast,
    )
    found = make_family(SignalTask(path=str(file), **{"shots": 1, "queries": 1, **forecast}))
    with pytest.raises(DataError, match=r"hop, or evaluation\.shots or evaluation\.queries$"):
        found.sample(Draw(0, "test", 0), 0, 1, 3, 1)


def test_series_without_values(tmp_path):
    file = npz(tmp_path / "a.npz", x=walks())
    refused(r"value", file, target="value", window=6, ways=None)


def test_classes_of_which_no_task_can_be_drawn(tmp_path):
    # Each shares one signal with the next, in a circle of three: whichever signal of each is in
    # the support set, one is asked about.
    split = {name: [f"c{3 * i + j}" for j in range(3)] for i, name in enumerate(SPLITS)}
    (tmp_path / "split.json").write_text(json.dumps(split))
    x, y = sines(classes=9, recordings=2)
    for number in range(9):
        x[2 * number + 1] = x[2 * (number + 1 if number % 3 < 2 else number - 2)]
    file = npz(tmp_path / "a.npz", x=x, y=y)
    found = make_family(
        SignalTask(
            path=str(file), split_file=str(tmp_path / "split.json"), ways=3, shots=1, queries=1
        )
    )
    with pytest.raises(DataError, match=r"^classes of the train split share so many examples"):
        found.sample(Draw(0, "train", 0), 0, 1, 1, 1)
