"""Concurrent requests become blocks, and each gets the bits that it would get alone."""

import asyncio

import numpy as np
import pytest
from small_images import picture
from small_service import application_of, as_lists, asking, numbers, pictures, rows_of, together

from orchestrator.serve.limits import Limits
from orchestrator.serve.served_model import ServedModel

pytestmark = pytest.mark.usefixtures("shared_runners")

NUMBER = 11


def bodies_of(support, query, targets):
    return [
        {"support": {"inputs": x, "targets": y}, "query": {"inputs": q}}
        for x, q, y in zip(support, query, targets, strict=True)
    ]


@pytest.fixture(params=["vectorized", "map"])
def execution(request):
    return request.param


def tasks_of_numbers():
    rng = np.random.default_rng(0)
    support, targets = rng.uniform(-5, 5, (2, NUMBER, 5))
    query = rng.uniform(-5, 5, (NUMBER, 3))
    return bodies_of(support.tolist(), query.tolist(), targets.tolist())


def ask_together(application, bodies):
    async def ask():
        async with together(application) as client:
            return await asyncio.gather(*(client.post("/predict", json=body) for body in bodies))

    return [rows_of(answer) for answer in asyncio.run(ask())]


def ask_alone(application, bodies):
    with asking(application) as client:
        return [rows_of(client.post("/predict", json=body)) for body in bodies]


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of the blocks that are computed."""
    computed, predict = [], ServedModel.predict

    def record(self, tasks):
        computed.append(len(tasks))
        return predict(self, tasks)

    monkeypatch.setattr(ServedModel, "predict", record)
    return computed


def test_together_and_alone_give_the_same_bits(execution, sizes):
    config = numbers(f"runtime.execution={execution}")
    bodies = tasks_of_numbers()
    # A task of another shape among them, and one that diverges.
    bodies[5]["query"]["inputs"] = [1.0]
    alone = ask_alone(application_of(config), bodies)
    assert set(sizes) == {1}
    sizes.clear()
    assert ask_together(application_of(config), bodies) == alone
    assert sum(sizes) == NUMBER
    assert (max(sizes) > 1) == (execution == "vectorized")


def test_one_of_another_size_is_another_block(sizes):
    """Else the block could not be stacked, and each of its tasks would be computed once more."""
    application = application_of(numbers("runtime.execution=vectorized"))
    bodies = tasks_of_numbers()[:5]
    bodies[2]["query"]["inputs"] = [1.0]
    ask_together(application, bodies)
    assert sum(sizes) == 5


def test_one_that_diverges_does_not_harm_its_block(sizes):
    application = application_of(numbers("runtime.execution=vectorized"))
    bodies = tasks_of_numbers()[:4]
    expected = ask_alone(application, bodies)
    bodies[2]["support"] = {"inputs": [1e30] * 5, "targets": [-1e30] * 5}
    sizes.clear()

    async def ask():
        async with together(application) as client:
            return await asyncio.gather(*(client.post("/predict", json=body) for body in bodies))

    answers = asyncio.run(ask())
    assert [answer.status_code for answer in answers] == [200, 200, 422, 200]
    assert max(sizes) > 1
    for i in (0, 1, 3):
        assert rows_of(answers[i]) == expected[i]


def test_images_give_the_same_bits_too(image_zip, image_cache):
    config = pictures(image_zip, image_cache)
    images = np.stack([[picture(i, k, size=16) for i in range(3)] for k in range(4)])[..., None]
    support, query = as_lists(images / 255), as_lists(images[:, :1] / 255)
    bodies = bodies_of(support, query, [list("abc")] * 4)
    alone = ask_alone(application_of(config), bodies)
    assert ask_together(application_of(config), bodies) == alone


def test_graphs_are_dropped_before_they_fill_the_memory_and_answers_stay(monkeypatch):
    application = application_of(numbers(), Limits(graphs=0))
    monkeypatch.setattr("orchestrator.learner.Learner.num_graphs", property(lambda self: 1))
    model = application._service.model
    first, body = model.learner, tasks_of_numbers()[0]
    with asking(application) as client:
        rows = rows_of(client.post("/predict", json=body))
        assert model.learner is not first
        key = client.post("/adapt", json={"support": body["support"]}).json()["id"]
        asked = client.post(f"/predict/{key}", json={"query": body["query"]})
        assert [row["prediction"] for row in rows_of(asked)] == [row["prediction"] for row in rows]
