from collections import defaultdict

import pytest
from tensorboardX.proto.event_pb2 import Event

from orchestrator.storage import Storage
from orchestrator.tensorboard import TensorBoardLog


def scalars(folder):
    """tag -> {step: value} of all event files, read as TFRecords."""
    import struct

    found = defaultdict(dict)
    for file in sorted((folder / "tensorboard").iterdir()):
        content = file.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event = Event.FromString(content[12 : 12 + length])
            for value in event.summary.value:
                found[value.tag][event.step] = value.simple_value
            content = content[16 + length :]
    return found


def row(step, **rest):
    return {"step": step, "loss_after": 0.5 * step, "tasks_per_s": 3.0, **rest}


def test_each_step_of_a_short_run_is_a_point(tmp_path):
    log = TensorBoardLog(Storage(str(tmp_path)), 0, 3)
    for step in (1, 2, 3):
        log.append(row(step))
    log.close()
    assert scalars(tmp_path) == {
        "tasks/loss_after": {1: 0.5, 2: 1, 3: 1.5},
        "run/tasks_per_s": {1: 3, 2: 3, 3: 3},
    }


def test_a_long_run_has_a_thousand_points_and_every_validation(tmp_path):
    log = TensorBoardLog(Storage(str(tmp_path)), 0, 5000)
    for step in range(1, 5001):
        log.append(row(step, **({"validation_loss": 7.0} if step == 2503 else {})))
    log.close()
    found = scalars(tmp_path)
    assert len(found["tasks/loss_after"]) == 1001
    assert found["tasks/validation_loss"] == {2503: 7}


@pytest.mark.parametrize("location", ["mock://bucket/run"])
def test_an_object_store_gets_no_event_files(location):
    storage = Storage(location)
    log = TensorBoardLog(storage, 0, 3)
    log.append(row(1))
    log.close()
    assert storage.list() == []
