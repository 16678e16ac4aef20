import io
import struct
from collections import defaultdict

import pytest
from PIL import Image
from small_configs import sinusoid
from small_runs import in_process
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import RecordWriter

from orchestrator.records.tensorboard import TensorBoardLog
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage


def events(content):
    """The events of TFRecords."""
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]


def scalars(folder):
    """tag -> {step: value} of all event files."""
    points = defaultdict(dict)
    for file in sorted((folder / "tensorboard").iterdir()):
        for event in events(file.read_bytes()):
            for value in event.summary.value:
                points[value.tag][event.step] = value.simple_value
    return points


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
    points = scalars(tmp_path)
    assert len(points["tasks/loss_after"]) == 1001
    assert points["tasks/validation_loss"] == {2503: 7}


def test_a_full_disk_is_an_error_and_no_endless_wait(tmp_path):
    log = TensorBoardLog(Storage(str(tmp_path)), 0, 100_000)
    log.close()
    log._records = RecordWriter("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        append_many(log)
    log.close()


def append_many(log):
    for step in range(1, 10_000):
        log.append(row(step, validation_loss=1.0))


def test_a_resumed_run_hides_the_points_that_it_does_again(tmp_path):
    TensorBoardLog(Storage(str(tmp_path)), 0, 10).close()
    TensorBoardLog(Storage(str(tmp_path)), 4, 10).close()
    content = b"".join(file.read_bytes() for file in sorted((tmp_path / "tensorboard").iterdir()))
    starts = [event.step for event in events(content) if event.HasField("session_log")]
    assert starts == [5]


def test_each_time_that_a_run_is_opened_has_a_file_of_its_own_read_after_those_before(
    tmp_path, monkeypatch
):
    """Within one second, and where the clock is set back."""
    for first_step, now in ((0, 2e9), (4, 2e9), (6, 1.5e9), (8, 2e9 + 100)):
        monkeypatch.setattr("orchestrator.records.tensorboard.time.time", lambda now=now: now)
        TensorBoardLog(Storage(str(tmp_path)), first_step, 10).close()
    files = sorted((tmp_path / "tensorboard").iterdir())
    assert [int(file.name.split(".")[3]) for file in files] == [
        2_000_000_000,
        2_000_000_001,
        2_000_000_002,
        2_000_000_100,
    ]
    content = b"".join(file.read_bytes() for file in files)
    starts = [event.step for event in events(content) if event.HasField("session_log")]
    assert starts == [5, 7, 9]


def test_a_finished_run_has_the_pictures_of_its_page(tmp_path):
    config, storage = sinusoid("outer.steps=4"), Storage(str(tmp_path))
    run = TrainingRun(config, storage, in_process(config), None)
    list(run.steps())
    run.draw(run.test())
    run.close()
    images = {}
    for file in sorted((tmp_path / "tensorboard").iterdir()):
        for event in events(file.read_bytes()):
            for value in event.summary.value:
                if value.HasField("image"):
                    images[value.tag] = (event.step, value.image)
    assert set(images) == {"test/tasks", "test/loss_by_inner_step"}
    for step, image in images.values():
        assert step == 4
        opened = Image.open(io.BytesIO(image.encoded_image_string))
        assert opened.format == "PNG"
        assert opened.size == (image.width, image.height)
        assert len(opened.getcolors(1 << 20)) > 5
    assert images["test/tasks"][1].encoded_image_string == storage.read("picture.png")


def test_what_is_wrong_with_a_runs_scores_is_a_text(tmp_path):
    config = sinusoid("outer.steps=4", "algorithm.inner_lr=2")
    run = TrainingRun(config, Storage(str(tmp_path)), in_process(config), None)
    list(run.steps())
    result = run.test()
    run.draw(result)
    run.close()
    texts = {
        value.tag: value.tensor.string_val[0].decode()
        for file in (tmp_path / "tensorboard").iterdir()
        for event in events(file.read_bytes())
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "text"
    }
    assert "diverge" in result.warnings[0]
    assert list(texts.values()) == ["\n\n".join(result.warnings)]
    assert set(texts) == {"test/warnings/text_summary"}


def test_tensorflow_reads_what_is_written(tmp_path):
    """It checks the checksums."""
    import tensorflow as tf

    log = TensorBoardLog(Storage(str(tmp_path)), 0, 3)
    log.append(row(1))
    log.close()
    (file,) = (tmp_path / "tensorboard").iterdir()
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(file))]
    assert [Event.FromString(record).step for record in records] == [0, 1]


@pytest.mark.parametrize("location", ["mock://bucket/run"])
def test_an_object_store_gets_no_event_files(location):
    storage = Storage(location)
    log = TensorBoardLog(storage, 0, 3)
    log.append(row(1))
    log.append_images(1, {"tasks": b""})
    log.close()
    assert storage.list() == []
