from datetime import UTC, datetime, timedelta

import pytest
from faulty_files import FaultyFiles, no_space
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.records.history import HistoryEntry, RunHistory, read_history
from orchestrator.run.resume import find_state
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage
from workers.wire.protocol import Place

WRONG = '[{"command": "", "pool": "", "first_step": "many", "last_step": 1}]'


def opened(command="metatrain train", step=0):
    return HistoryEntry(command, "2 Ray actors", step, step)


@pytest.fixture(params=["local", "object store"])
def storage(request, tmp_path):
    location = str(tmp_path / "run") if request.param == "local" else "mock://bucket/run"
    return Storage(location)


def test_each_time_that_a_run_is_opened_is_an_entry(storage):
    first = RunHistory(storage, opened("one"), pytest.fail)
    first.note(7, [])
    first.end("stopped")
    first.close()
    second = RunHistory(storage, opened("two", 7), pytest.fail)
    one, two = read_history(storage)
    assert (one.command, one.first_step, one.last_step) == ("one", 0, 7)
    assert (one.ended, two.ended) == ("stopped", "")
    assert (two.command, two.first_step, two.last_step) == ("two", 7, 7)
    second.close()
    assert read_history(storage)[1].ended == "closed"


def test_an_entry_says_where_and_when(storage):
    history = RunHistory(storage, opened(), pytest.fail)
    a, b = (Place(host, pid=1, node=host) for host in "ab")
    history.note(1, [a, a, b])
    history.note(2, [b])
    history.write()
    (entry,) = read_history(storage)
    assert entry.actors == {"a": 2, "b": 1}  # the most that were there
    assert entry.driver["cpus"] >= 1
    assert entry.driver["host"]
    assert entry.started.endswith("+00:00")
    assert 0 <= entry.seconds < 60


def test_durations_do_not_depend_on_a_clock_that_is_set_back(storage, monkeypatch):
    history = RunHistory(storage, opened(), pytest.fail)
    real = datetime.now(UTC)
    clock = type("Clock", (datetime,), {"now": classmethod(lambda c, tz: real - timedelta(days=1))})
    monkeypatch.setattr("orchestrator.records.history.datetime", clock)
    history.write()
    (entry,) = read_history(storage)
    assert entry.seen < entry.started
    assert 0 <= entry.seconds < 60


def test_a_negative_duration_of_an_older_version_is_none(storage):
    storage.write(
        "history.json",
        b'[{"command": "", "pool": "", "first_step": 0, "last_step": 1, "seconds": -5.0}]',
    )
    assert read_history(storage)[0].seconds == 0


def test_what_cannot_be_read_is_kept_and_told_of(storage):
    storage.write("history.json", b"[{]")
    notes = []
    RunHistory(storage, opened(), notes.append)
    assert len(notes) == 1
    assert "is not what a run writes (it is not JSON" in notes[0]
    assert storage.read("history.damaged.json") == b"[{]"
    assert len(read_history(storage)) == 1


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"command": "a"}]', "null", WRONG])
def test_another_file_of_that_name_is_no_history(storage, content):
    storage.write("history.json", content.encode())
    with pytest.raises(ValueError, match="is not what a run writes"):
        read_history(storage)


def test_a_run_of_an_older_version_has_none(storage):
    assert read_history(storage) == []


def full(kind, path):
    if "history" in path:
        raise no_space()


def test_a_run_goes_on_without_its_history_and_says_so_once(tmp_path):
    location = str(tmp_path / "run")
    files = FaultyFiles(Storage(location).filesystem)
    files.fault = full
    storage, config, notes = Storage(location, files.filesystem()), sinusoid(), []
    run = TrainingRun(config, storage, in_process(config), None, notes.append)
    list(run.steps())
    run.test()
    run.close()
    assert [note.partition(":")[0] for note in notes] == [
        f"{location}/history.json cannot be written"
    ]
    assert "No space left" in notes[0]
    undisturbed = TrainingRun(config, Storage(str(tmp_path / "b")), in_process(config), None)
    list(undisturbed.steps())
    undisturbed.close()
    assert run.theta_sha256 == undisturbed.theta_sha256


def train(config, location, resume, steps=None):
    """Open a run, and leave it as a crash would after some steps."""
    storage = Storage(location)
    state, *_ = find_state(config, storage, resume, allow_changes=False)
    run = TrainingRun(config, storage, in_process(config), state, command=f"resume={resume}")
    for progress in run.steps():
        if progress.report.step == steps:
            run.flush()
            return run
    run.test()
    run.report()
    return run


def test_a_killed_run_has_said_how_far_it_was_saved(tmp_path):
    config, location = sinusoid(), str(tmp_path / "run")
    killed = train(config, location, resume=False, steps=9)
    (entry,) = read_history(Storage(location))
    assert (entry.last_step, entry.ended) == (8, "")
    killed._close_files()
    train(config, location, resume=True).close()
    first, second = read_history(Storage(location))
    assert (second.command, second.ended) == ("resume=True", "finished")
    assert (second.first_step, second.last_step) == (8, 12)
    assert first.command == "resume=False"
