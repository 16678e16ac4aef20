"""Tasks that are built while another block runs: by whom, how many, and what if they fail."""

import threading

import pytest

from workers.execution.tasks_ahead import TasksAhead


class Built:
    """Builds by waiting for an event, and remembers the blocks and threads."""

    def __init__(self):
        self.blocks, self.threads, self.may = [], set(), threading.Event()

    def __call__(self, block):
        assert self.may.wait(10)
        self.blocks.append(block)
        self.threads.add(threading.current_thread())
        if block == "bad":
            raise ValueError("no such task")
        return f"tasks of {block}"


@pytest.fixture
def built():
    return Built()


@pytest.fixture
def ahead(built):
    ahead = TasksAhead(built)
    yield ahead
    built.may.set()
    ahead.close()


def test_tasks_are_built_in_one_other_thread_and_taken_once(ahead, built):
    ahead.begin("a")
    ahead.begin("b")
    assert not built.blocks
    built.may.set()
    assert ahead.take("b") == "tasks of b"
    assert ahead.take("a") == "tasks of a"
    assert ahead.take("a") is None
    assert len(built.threads - {threading.current_thread()}) == len(built.threads) == 1


def test_tasks_that_cannot_be_built_are_left_to_their_own_step(ahead, built):
    built.may.set()
    ahead.begin("bad")
    ahead.begin("a")
    assert ahead.take("bad") is None
    assert ahead.take("a") == "tasks of a"


def test_tasks_of_an_equal_block_are_not_taken_for_its_own(ahead, built):
    built.may.set()
    ahead.begin(["a"])
    assert ahead.take(["a"]) is None


def test_only_three_blocks_are_kept(ahead, built):
    for block in "abcde":
        ahead.begin(block)
    built.may.set()
    assert [ahead.take(block) for block in "ab"] == [None, None]
    assert [ahead.take(block) for block in "cde"] == ["tasks of c", "tasks of d", "tasks of e"]
    assert built.blocks in (["c", "d", "e"], ["a", "c", "d", "e"])
