"""POST /adapt and /predict/ID: a support set that is kept, and what becomes of it."""

import numpy as np
import pytest
from small_service import (
    BODY,
    QUERY,
    SUPPORT,
    Clock,
    application_of,
    asking,
    line_of,
    numbers,
    rows_of,
)

from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.serve.adapted_cache import AdaptedCache
from orchestrator.serve.limits import Limits
from orchestrator.serve.served_model import SupportSet
from orchestrator.serve.support_store import SupportStore
from workers.wire.protocol import Adapted

pytestmark = pytest.mark.usefixtures("shared_runners")

OTHER = {"inputs": SUPPORT["inputs"], "targets": [1, 2, 3, 4]}


def keep(client, support=SUPPORT):
    response = client.post("/adapt", json={"support": support})
    assert response.status_code == 200, response.text
    return response.json()["id"]


def ask(client, key):
    return client.post(f"/predict/{key}", json={"query": QUERY})


def without_steps(rows):
    return [{k: v for k, v in row.items() if k != "by_inner_step"} for row in rows]


def test_a_kept_support_set_answers_as_one_that_is_sent_along():
    with asking(application_of(numbers())) as client:
        expected = without_steps(rows_of(client.post("/predict", json=BODY)))
        told = client.post("/adapt", json={"support": SUPPORT}).json()
        assert told.pop("id")
        assert told == {"support_examples": 4, "classes": None, "expires_after_s": 3600.0}
        key = keep(client)
        for _ in range(2):
            assert rows_of(ask(client, key)) == expected


def test_equal_support_sets_have_one_id_and_others_another():
    store = SupportStore(Limits())
    with asking(application_of(numbers(), store=store)) as client:
        assert keep(client) == keep(client) != keep(client, OTHER)
    assert store.num_kept == 2


def test_another_replica_answers_for_it_too_and_so_does_one_that_forgot_its_weights():
    limits = Limits(adapted_bytes=1)
    store = SupportStore(limits)
    with asking(application_of(numbers(), limits, store=store)) as one:
        keys = [keep(one), keep(one, OTHER)]
        rows = [rows_of(ask(one, key)) for key in keys]  # each displaces the other
        with asking(application_of(numbers(), limits, store=store)) as another:
            assert [rows_of(ask(another, key)) for key in keys] == rows
    assert rows[0] != rows[1]


def test_an_id_that_was_never_given_is_not_found():
    with asking(application_of(numbers())) as client:
        response = ask(client, "0" * 32)
    assert response.status_code == 404
    assert line_of(response) == (
        f"there is no support set {'0' * 32}; POST /adapt its support set again"
    )


def test_one_that_nobody_asks_expires_and_the_answer_says_so():
    clock, limits = Clock(), Limits(expiry_s=10)
    store = SupportStore(limits, clock)
    with asking(application_of(numbers(), limits, store=store)) as client:
        key = keep(client)
        for clock.now in (9, 18):  # asking keeps it
            rows_of(ask(client, key))
        clock.now = 28.5
        response = ask(client, key)
        assert response.status_code == 410
        assert "was not asked for 10 s and is dropped; POST /adapt" in line_of(response)
        assert keep(client) == key
        rows_of(ask(client, key))


@pytest.mark.parametrize("limit", ["kept", "kept_bytes"])
def test_the_one_asked_longest_ago_makes_room_and_the_answer_says_so(limit):
    store = SupportStore(Limits())
    with asking(application_of(numbers(), store=store)) as client:
        keep(client)
    limits = Limits(**{limit: 2 if limit == "kept" else store.num_bytes * 5 // 2})
    store = SupportStore(limits)
    with asking(application_of(numbers(), limits, store=store)) as client:
        keys = [keep(client), keep(client, OTHER)]
        rows_of(ask(client, keys[0]))
        last = keep(client, {"inputs": SUPPORT["inputs"], "targets": [0, 0, 0, 1]})
        response = ask(client, keys[1])
        assert response.status_code == 410
        assert "made room for others" in line_of(response)
        rows_of(ask(client, keys[0]))
        rows_of(ask(client, last))
    assert store.num_kept == 2


def test_a_support_set_that_is_larger_than_all_that_may_be_kept_is_refused_and_drops_no_other():
    store = SupportStore(Limits())
    with asking(application_of(numbers(), store=store)) as client:
        keep(client)
    limits = Limits(kept_bytes=store.num_bytes)
    store = SupportStore(limits)
    with asking(application_of(numbers(), limits, store=store)) as client:
        key = keep(client)
        many = {"inputs": [0.5] * 40, "targets": [1] * 40}
        response = client.post("/adapt", json={"support": many})
        assert response.status_code == 413, response.text
        assert "all that are kept may take" in line_of(response)
        rows_of(ask(client, key))
        rows_of(client.post("/predict", json={"support": many, "query": QUERY}))


def test_the_cache_of_weights_counts_texts_whole():
    def support_of(text):
        task = UserTask(
            "", ["a"], np.array([text], object), np.zeros(1, np.int32), np.zeros(0), None, None
        )
        return SupportSet(task, np.array(["a"], object))

    weights = Adapted(np.zeros(10, np.float32), np.zeros(0, np.float32))
    cache = AdaptedCache(3000)
    cache.put("short", support_of("x"), weights)
    cache.put("long", support_of("x" * 2000), weights)
    assert cache.get("short") is not None
    cache.put("other", support_of("y" * 2000), weights)
    assert [key for key in ("short", "long", "other") if cache.get(key)] == ["short", "other"]


def test_a_store_remembers_what_is_gone_and_its_size(monkeypatch):
    monkeypatch.setattr("orchestrator.serve.support_store._MOST_REMEMBERED", 3)
    store = SupportStore(Limits(kept=2))
    for i in range(7):
        store.put(str(i), b"12345")
    assert (store.num_kept, store.num_bytes) == (2, 10)
    assert [store.find(str(i), False).state for i in range(7)] == [
        *["unknown"] * 2,
        *["evicted"] * 3,
        *["kept"] * 2,
    ]
    assert store.find("6", True).content == b"12345"
