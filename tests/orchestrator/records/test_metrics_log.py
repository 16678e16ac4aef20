import json
import os

import pytest

from orchestrator.records.metrics_log import MetricsLog, read_metrics
from orchestrator.storage.storage import Storage


@pytest.fixture(params=["local", "object store"])
def storage(request, tmp_path):
    if request.param == "local":
        return Storage(str(tmp_path / "run"))
    return Storage("mock://bucket/run")


@pytest.fixture(autouse=True)
def folder(request):
    if "storage" in request.fixturenames:
        request.getfixturevalue("storage").write("config.toml", b"")


def train(storage, first, last, every=4, crash=False):
    """Rows first .. last as a run writes them: a commit before each checkpoint."""
    storage.write("config.toml", b"")
    log = MetricsLog(storage, first - 1)
    for step in range(first, last + 1):
        log.append({"step": step, "loss_after": step / 3, "from": first})
        if step % every == 0:
            log.commit(step)
    if not crash:
        log.commit(last)
    log.close()


def steps(storage):
    return [row["step"] for row in read_metrics(storage)]


def test_a_row_per_step_in_order(storage):
    train(storage, 1, 10)
    assert steps(storage) == list(range(1, 11))
    assert read_metrics(storage)[2] == {"step": 3, "loss_after": 1.0, "from": 1}


def test_rows_are_there_once_they_are_committed(storage):
    storage.write("config.toml", b"")
    log = MetricsLog(storage, 0)
    for step in (1, 2, 3):
        log.append({"step": step})
    log.commit(3)
    assert steps(storage) == [1, 2, 3]
    log.close()


@pytest.mark.parametrize("resumed_from", [4, 8])
def test_a_resume_cuts_the_log_back_to_its_step(storage, resumed_from):
    train(storage, 1, 11, crash=True)
    train(storage, resumed_from + 1, 12)
    assert steps(storage) == list(range(1, 13))
    froms = [row["from"] for row in read_metrics(storage)]
    assert froms == [1] * resumed_from + [resumed_from + 1] * (12 - resumed_from)


def test_two_resumes_leave_no_gap_and_no_double(storage):
    train(storage, 1, 7, crash=True)
    train(storage, 5, 10, crash=True)
    train(storage, 9, 16)
    assert steps(storage) == list(range(1, 17))


def test_a_run_that_starts_afresh_has_no_rows(storage):
    train(storage, 1, 8)
    MetricsLog(storage, 0).close()
    assert steps(storage) == []


def test_a_commit_takes_the_rows_up_to_its_step_alone(storage):
    """A commit comes from another thread while the run continues."""
    log = MetricsLog(storage, 0)
    for step in (1, 2, 3, 4, 5):
        log.append({"step": step})
    log.commit(3)
    log.close()
    MetricsLog(storage, 3).close()
    assert steps(storage) == [1, 2, 3]


def test_rows_whose_commit_fails_are_in_the_next_one(storage):
    log = MetricsLog(storage, 0)
    log.append({"step": 1})
    write, fsync = storage.write, os.fsync
    storage.write = os.fsync = broken
    try:
        with pytest.raises(OSError, match="broken"):
            log.commit(1)
    finally:
        storage.write, os.fsync = write, fsync
    log.append({"step": 2})
    log.commit(2)
    assert steps(storage) == [1, 2]
    log.close()


def broken(*arguments):
    raise OSError("broken")


def test_to_open_a_log_writes_no_row_again(storage):
    """A crash while a resume cuts the log back must not cost the rows that stay."""
    train(storage, 1, 8, crash=True)
    storage.write = broken
    MetricsLog(storage, 4).close()
    assert steps(storage) == [1, 2, 3, 4]


@pytest.mark.parametrize("torn", ['{"step": 9, "lo', '{"step": 9', "{", '{"step": "', "\x00\x00"])
def test_a_last_row_that_a_crash_cut_short_is_dropped(tmp_path, torn):
    storage = Storage(str(tmp_path))
    train(storage, 1, 8)
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write(torn)
    train(storage, 9, 10)
    assert steps(storage) == list(range(1, 11))


def test_on_a_local_disk_there_is_one_file(tmp_path):
    train(Storage(str(tmp_path)), 1, 10)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.toml", "metrics.jsonl"]
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 11))


def test_on_an_object_store_a_part_goes_with_each_checkpoint():
    storage = Storage("mock://bucket/run")
    train(storage, 1, 10)
    assert storage.list("metrics") == ["00000004.jsonl", "00000008.jsonl", "00000010.jsonl"]


def test_a_commit_makes_the_rows_durable(tmp_path, monkeypatch):
    """A checkpoint is durable, so the rows before it must be: else a power cut leaves a gap."""
    storage = Storage(str(tmp_path))
    storage.write("config.toml", b"")
    log = MetricsLog(storage, 0)
    log.append({"step": 1})
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd))
    )
    log.commit(1)
    log.close()
    assert str(tmp_path / "metrics.jsonl") in synced


@pytest.mark.parametrize("damage", ["a line of garbage first", "a hole", "a row cut in two"])
def test_damaged_rows_cost_no_others_and_the_file_that_held_them_is_kept(tmp_path, damage):
    storage = Storage(str(tmp_path / "run"))
    train(storage, 1, 8)
    path = tmp_path / "run" / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    damaged = {
        "a line of garbage first": ["garbage\n", *lines],
        "a hole": [*lines[:3], *lines[4:]],
        "a row cut in two": [*lines[:3], lines[3][:7], *lines[4:]],
    }[damage]
    path.write_text("".join(damaged))
    messages = []
    MetricsLog(storage, 8, messages.append).close()
    lost = {"a line of garbage first": [], "a hole": [4], "a row cut in two": [4, 5]}[damage]
    assert steps(storage) == [step for step in range(1, 9) if step not in lost]
    assert [f"{8 - len(lost)} rows of the 8 steps" in line for line in messages] == [True] * bool(
        lost
    )
    if damage != "a hole":
        kept = tmp_path / "run" / "metrics.damaged.jsonl"
        assert kept.read_text() == "".join(damaged)


def test_a_metrics_file_that_is_gone_is_told(tmp_path):
    storage = Storage(str(tmp_path / "run"))
    train(storage, 1, 8)
    storage.delete("metrics.jsonl")
    messages = []
    MetricsLog(storage, 8, messages.append).close()
    assert messages == ["metrics.jsonl holds 0 rows of the 8 steps that are done"]
