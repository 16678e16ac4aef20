"""The queue before the thread that computes: what becomes one block, and what goes wrong alone."""

import asyncio
import threading

import numpy as np
import pytest

from orchestrator.serve.batch_queue import BatchQueue
from orchestrator.serve.request_error import RequestError


class Computer:
    """Computes nothing until it may. batches: what it was given."""

    def __init__(self):
        self.batches, self.may = [], threading.Event()
        self.first_came = threading.Event()

    def __call__(self, items):
        self.batches.append(list(items))
        self.first_came.set()
        assert self.may.wait(20)
        if "bad" in items:
            raise OSError(items[0])
        return [ValueError(item) if item == "diverged" else item.upper() for item in items]


def run(jobs, most_waiting=100, most_together=4, meanwhile=None, most_bytes=100, holds=None):
    """Submit a first job, and while it is computed the others: all results, and the batches.

    holds: item -> arrays.
    """
    computer = Computer()

    async def submit_all():
        queue = BatchQueue(most_waiting, most_together, most_bytes)
        tasks = [asyncio.create_task(queue.submit(computer, "first"))]
        await asyncio.to_thread(computer.first_came.wait)
        of = holds or {}
        tasks += [
            asyncio.create_task(queue.submit(computer, item, key, of.get(item, ())))
            for item, key in jobs
        ]
        await asyncio.sleep(0)
        if meanwhile:
            meanwhile(tasks)
            await asyncio.sleep(0)
        computer.may.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        queue.close()
        return results[1:]

    return asyncio.run(submit_all()), computer.batches[1:]


def test_what_waits_with_one_key_is_one_block_of_1_2_or_4():
    results, batches = run([(name, 1) for name in "abcdefg"])
    assert results == list("ABCDEFG")
    assert batches == [list("abcd"), list("ef"), ["g"]]


def test_what_came_first_goes_first_and_takes_along_those_like_it():
    results, batches = run([("a", 1), ("b", 2), ("c", None), ("d", 2), ("e", None), ("f", 1)])
    assert results == list("ABCDEF")
    assert batches == [["a", "f"], ["b", "d"], ["c"], ["e"]]


def test_without_blocks_each_is_alone():
    _, batches = run([(name, 1) for name in "abc"], most_together=1)
    assert batches == [["a"], ["b"], ["c"]]


def test_one_that_fails_does_so_alone():
    results, batches = run([("a", 1), ("bad", 1), ("diverged", 1), ("d", 1)])
    assert batches == [["a", "bad", "diverged", "d"], ["a"], ["bad"], ["diverged"], ["d"]]
    assert [results[0], results[3]] == ["A", "D"]
    assert isinstance(results[1], OSError)
    assert isinstance(results[2], ValueError)


def test_one_whose_client_has_gone_is_not_computed():
    _, batches = run([("a", None), ("b", None), ("c", None)], meanwhile=lambda all: all[2].cancel())
    assert batches == [["a"], ["c"]]


def test_too_many_that_wait_are_refused_and_told_when_to_come_again():
    results, batches = run([(name, None) for name in "abc"], most_waiting=2)
    assert results[:2] == ["A", "B"]
    assert isinstance(results[2], RequestError)
    assert (results[2].status, results[2].headers) == (503, {"Retry-After": "1"})
    assert len(batches) == 2


def test_too_large_ones_that_wait_are_refused_too():
    a, b, c = np.zeros(60, np.int8), np.zeros(40, np.int8), np.array(["x" * 51], object)
    many = np.zeros(1000, np.int8)
    jobs = [(name, None) for name in "abcde"]
    results, _ = run(jobs, holds={"a": [a], "b": [a, b], "c": [a, c], "d": [b, a], "e": [many]})
    assert [results[0], results[1], results[3]] == ["A", "B", "D"]  # what two hold counts once
    for refused in (results[2], results[4]):
        assert (refused.status, refused.headers) == (503, {"Retry-After": "1"})
        assert "hold 9.54e-05 MiB, and with this one more than the 9.5" in refused.line
    assert run(jobs[4:], holds={"e": [many]})[0] == ["E"]  # a single one may be larger


@pytest.mark.parametrize("key", [None, 1])
def test_it_begins_again_after_it_was_empty(key):
    async def twice():
        queue = BatchQueue(4, 4, 100)
        one = await queue.submit(lambda items: items, "a", key)
        other = await queue.submit(lambda items: items, "b", key)
        assert queue.num_waiting == 0
        queue.close()
        return one, other

    assert asyncio.run(twice()) == ("a", "b")
