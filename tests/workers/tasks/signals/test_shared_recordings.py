"""A recording of several classes: it is on one side of a task, whatever class is asked about."""

import hashlib
import json

import numpy as np
import pytest
from small_signals import npz, sines

from workers.settings.signal_task import SignalTask
from workers.tasks.registry import make_family
from workers.wire.errors import DataError
from workers.wire.protocol import Draw

X, Y = sines(classes=9, recordings=5, length=20)
#: Five sessions, in each of which every class is recorded.
SESSIONS = np.array([f"s{i % 5}" for i in range(45)])


def family(path, **settings):
    sizes = {"ways": 3, "shots": 2, "queries": 2}
    return make_family(SignalTask(path=str(path), **{**sizes, **settings}))


def drawn(found, split="train", lo=0, hi=40, shots=2, queries=2):
    return found.sample(Draw(0, split, 0), lo, hi, shots, queries)


@pytest.mark.parametrize("sizes", [(2, 2), ((1, 3), (1, 3))])
def test_no_session_is_in_support_and_queries_of_a_task(tmp_path, sizes):
    file = npz(tmp_path / "a.npz", x=X, y=Y, session=SESSIONS)
    settings = {"recording_column": "session", "window": 10, "shots": sizes[0], "queries": sizes[1]}
    found = family(file, **settings)
    session = SESSIONS[found._data.windows.signals]
    for split in ("train", "validation", "test"):
        specs = drawn(found, split, 0, 40, *sizes)
        counts = []
        for support, query in zip(specs["support_examples"], specs["query_examples"], strict=True):
            counts += [(support >= 0).sum(1), (query >= 0).sum(1)]
            assert not set(session[support[support >= 0]]) & set(session[query[query >= 0]])
        assert set(np.ravel(counts)) == ({2} if sizes == (2, 2) else {1, 2, 3})
    assert found.protocol("test")["support_and_queries_share"] == "no recording"
    part = drawn(found, lo=7, hi=9, shots=sizes[0], queries=sizes[1])
    whole = drawn(found, shots=sizes[0], queries=sizes[1])
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][7:9])


def test_where_it_cannot_be_done_it_is_refused_at_once(tmp_path):
    """Four of five signals are of one session; of every second class, of the other one."""
    sessions = np.array([f"s{int(i % 5 < 4) ^ (i // 5 % 2)}" for i in range(45)])
    file = npz(tmp_path / "a.npz", x=X, y=Y, session=sessions)
    parts = [[f"c{i}" for i in range(lo, lo + 3)] for lo in (0, 3, 6)]
    split = tmp_path / "split.json"
    split.write_text(json.dumps(dict(zip(("train", "validation", "test"), parts, strict=True))))
    message = (
        r"^classes of the train split share recordings, and no task was found for shots = 3 and "
        r"queries = 1 whose .* lower .*: task\.apart=time$"
    )
    settings = {"recording_column": "session", "queries": 1, "split_file": str(split)}
    with pytest.raises(DataError, match=message):
        family(file, shots=3, **settings)
    family(file, shots=1, **settings)


def test_recordings_of_one_class_are_drawn_as_ever(tmp_path):
    """These bits are those of a draw class by class."""
    sessions = [f"{Y[i]} {i % 5 // 2}" for i in range(45)]
    found = family(
        npz(tmp_path / "a.npz", x=X, y=Y, session=sessions), recording_column="session", window=10
    )
    specs = drawn(found)
    total = hashlib.sha256(b"".join(specs[name].tobytes() for name in sorted(specs)))
    assert total.hexdigest()[:16] == "ee6f04114f3b2a6d"
