import logging

import pytest

from workers import actor_log
from workers.actor_log import ActorLog
from workers.wire.protocol import Block

BLOCKS = [Block("train", 12, index, 4 * index, 4 * index + 4, {}) for index in (2, 3)]


@pytest.fixture
def log():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield ActorLog()
    root.handlers[:], root.level = handlers, level


def test_lines_written_while_blocks_run_carry_step_blocks_and_tasks(log, capsys):
    log.take_over()
    logging.getLogger("theirs").warning("before")
    with log.during(BLOCKS):
        logging.getLogger("theirs").warning("strange")
    logging.getLogger("theirs").warning("after")
    lines = [line.split(" ", 3)[2:] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        ["WARNING", "theirs: before"],
        ["WARNING", "[step 12, blocks 2 to 3, tasks 8 to 15] theirs: strange"],
        ["WARNING", "theirs: after"],
    ]


def test_an_exception_is_logged_with_its_step_and_passes_through(log, capsys):
    log.take_over()
    held_out = [Block("evaluate", 0, 0, 0, 5, {})]
    with pytest.raises(KeyError), log.during(held_out):
        raise KeyError("nothing")
    written = capsys.readouterr().err
    assert (
        "ERROR [step 0, evaluate, block 0, tasks 0 to 4] metatrain: KeyError: 'nothing'" in written
    )


def test_an_actor_that_works_gives_a_sign_of_life_now_and_then(log, capsys, monkeypatch):
    log.take_over()
    for _ in range(50):
        with log.during(BLOCKS):
            pass
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(actor_log, "_REPORT_EVERY_S", 0.0)
    with log.during(BLOCKS):
        pass
    assert "INFO [step 12, blocks 2 to 3, tasks 8 to 15] metatrain: took" in capsys.readouterr().err
