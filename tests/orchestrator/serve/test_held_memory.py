"""How much of what clients send is in memory at once: bodies, and conversions."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from small_service import BODY, application_of, line_of, numbers, rows_of, together

from orchestrator.serve.examples import Examples
from orchestrator.serve.http.held_bodies import HeldBodies
from orchestrator.serve.limits import Limits
from orchestrator.serve.request_error import RequestError
from orchestrator.serve.service import Service
from orchestrator.serve.support_store import LocalStore, SupportStore

pytestmark = pytest.mark.usefixtures("shared_runners")


def test_bodies_count_until_they_are_answered_and_a_single_one_may_be_larger():
    bodies = HeldBodies(100)
    with bodies.of_request() as one:
        one(60)
        one(60)
        with bodies.of_request() as other, pytest.raises(RequestError) as refused:
            other(1)
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
        assert bodies.num_bytes == 120
    with bodies.of_request() as one, bodies.of_request() as other:
        one(60)
        other(40)
        with pytest.raises(RequestError, match=r"requests of 9\.54e-05 MiB are not answered yet"):
            one(1)
    assert bodies.num_bytes == 0


def test_a_service_that_holds_too_many_bytes_says_when_to_come_again(monkeypatch):
    limits = Limits(held_bytes=120)  # one of these bodies, and not two
    application = application_of(numbers(), limits)
    came, may = threading.Event(), threading.Event()
    convert = application._service.model.task

    def wait(examples):
        came.set()
        assert may.wait(60)
        return convert(examples)

    monkeypatch.setattr(application._service.model, "task", wait)

    async def ask():
        async with together(application) as client:
            first = asyncio.create_task(client.post("/predict", json=BODY))
            await asyncio.to_thread(came.wait, 60)
            refused = await client.post("/predict", json=BODY)
            may.set()
            return await first, refused, await client.post("/predict", json=BODY)

    first, refused, last = asyncio.run(ask())
    assert rows_of(first) == rows_of(last)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "are not answered yet" in line_of(refused)


@pytest.mark.parametrize("name", ["predict", "keep", "ask"])
def test_so_many_are_read_and_converted_at_once(name):
    at_once, most, may = 0, 0, threading.Event()

    class Model:
        def _convert(self, examples):
            assert may.wait(60)
            raise ValueError("converted")

        task = support_set = queries = _convert

    store = SupportStore(Limits())
    store.put("key", b"")
    service = Service(Model(), LocalStore(store), Limits(conversions=2), 1)
    service._cache.get = lambda key: (SimpleNamespace(), None)

    async def read():
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        return Examples(queries=None if name == "keep" else [1])

    async def one():
        nonlocal at_once
        words = ["key"] if name == "ask" else []
        with pytest.raises(ValueError, match="converted"):
            await getattr(service, name)(*words, read)
        at_once -= 1

    async def all_of_them():
        tasks = [asyncio.create_task(one()) for _ in range(6)]
        while at_once < 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        may.set()
        await asyncio.gather(*tasks)
        service.close()

    asyncio.run(all_of_them())
    assert most == 2
