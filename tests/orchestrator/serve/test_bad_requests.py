"""Requests that are refused: a 4xx with one line each, and nothing that others feel."""

import asyncio
import json
import re

import numpy as np
import pyarrow as pa
import pytest
from small_images import picture, png
from small_service import (
    BODY,
    QUERY,
    SUPPORT,
    application_of,
    as_lists,
    asking,
    line_of,
    numbers,
    pictures,
    rows_of,
    together,
)

from orchestrator.serve.http.application import LOG
from orchestrator.serve.limits import Limits

pytestmark = pytest.mark.usefixtures("shared_runners")

JSON = {"Content-Type": "application/json"}
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}
FORM = {"Content-Type": "multipart/form-data"}
LIMITS = Limits(body_bytes=2000, examples=20)


def json_of(support=None, query=None, **more):
    return {"json": {"support": support or SUPPORT, "query": query or QUERY, **more}}


def raw(content, headers=JSON):
    return {"content": content, "headers": headers}


def deep(key, opening, closing, depth):
    """A body whose support set has so deep a value."""
    value = opening * depth + "1" + closing * depth
    other = {"inputs": "targets", "targets": "inputs"}[key]
    support = f'{{"{key}": {value}, "{other}": [1]}}'
    return raw(f'{{"support": {support}, "query": {{"inputs": [1]}}}}'.encode())


# name -> path, what is sent, status, what the line says
REFUSED = {
    "no such path": ("/nothing", json_of(), 404, "there is no /nothing"),
    "no such id": ("/predict/abc", {"json": {"query": QUERY}}, 404, "no support set abc"),
    "no type": ("/predict", raw(b"{}", {}), 415, "no Content-Type; send application/json"),
    "another type": ("/predict", raw(b"x", {"Content-Type": "text/plain"}), 415, "text/plain"),
    "compressed": (
        "/predict",
        raw(b"x", {**JSON, "Content-Encoding": "gzip"}),
        415,
        "Content-Encoding: gzip",
    ),
    "another answer": ("/predict", {**json_of(), "headers": {"Accept": "text/csv"}}, 406, "csv"),
    "no body": ("/predict", raw(b""), 400, "the body is empty"),
    "no JSON": ("/predict", raw(b"{'a': 1}"), 400, r"is not JSON \(.*character 1\)"),
    "cut JSON": ("/predict", raw(json.dumps(BODY).encode()[:40]), 400, "is not JSON"),
    "no UTF-8": ("/predict", raw(b'"\xff"'), 400, r"not UTF-8 \(byte 1\)"),
    "deep JSON": ("/predict", raw(b"[" * 1999), 400, "nested too deeply|is not JSON"),
    "NaN": ("/predict", raw(b'{"support": {"inputs": [NaN]}}'), 400, "holds NaN"),
    "Infinity": ("/predict", raw(b'{"support": {"inputs": [-Infinity]}}'), 400, "-Infinity"),
    "a huge number": (
        "/predict",
        raw(json.dumps(BODY).replace("0.5", "1e999").encode()),
        422,
        r"inputs\[1\] is not finite",
    ),
    "many digits": ("/predict", raw(b"9" * 1990), 422, "the body is a number"),
    "an array": ("/predict", raw(b"[1]"), 422, "the body is an array; .*'support', 'query'"),
    "another key": ("/predict", json_of(steps=3), 422, "the body has the key 'steps'"),
    "a part's other key": ("/predict", json_of({**SUPPORT, "lr": 1}), 422, "has the key 'lr'"),
    "a part that is none": ("/predict", json_of("x"), 422, "support is text"),
    "no support": ("/predict", {"json": {"query": QUERY}}, 422, "there is no support set"),
    "no query": ("/predict", {"json": {"support": SUPPORT}}, 422, "there is no query set"),
    "no inputs": ("/predict", json_of({"targets": [1]}), 422, "support has no 'inputs'"),
    "no targets": ("/predict", json_of({"inputs": [1, 2]}), 422, "has no targets"),
    "a single target": ("/predict", json_of({"inputs": [1], "targets": 1}), 422, "no array"),
    "too few targets": ("/predict", json_of({"inputs": [1, 2], "targets": [1]}), 422, "2 inputs, "),
    "null targets": ("/predict", json_of({"inputs": [1], "targets": [None]}), 422, "targets"),
    "empty inputs": ("/predict", json_of(query={"inputs": []}), 422, "inputs are empty"),
    "ragged": (
        "/predict",
        json_of(query={"inputs": [[1], [1, 2]]}),
        422,
        "not an array of numbers",
    ),
    "wrong shape": (
        "/predict",
        json_of(query={"inputs": [[1, 2]]}),
        422,
        r"inputs have shape \[1, 2\], the model takes \[n, 1\]",
    ),
    "a number": (
        "/predict",
        json_of(query={"inputs": 3}),
        422,
        "inputs of the query set are a number; give an array",
    ),
    "columns": ("/predict", json_of(query={"inputs": {"x": [1]}}), 422, "not an array of numbers"),
    "columns of columns": (
        "/predict",
        json_of(query={"inputs": {"x": {"y": [1]}}}),
        422,
        "column 'x', are an object",
    ),
    "too many in a column": (
        "/predict",
        json_of(query={"inputs": {"x": [], "y": [1] * 21}}),
        422,
        "has 21 examples; at most 20",
    ),
    "more digits than a float": (
        "/predict",
        raw(json.dumps(BODY).replace("0.5", "9" * 400).encode()),
        422,
        "inputs are not an array of numbers",
    ),
    "a target of more digits": (
        "/predict",
        raw(json.dumps(BODY).replace("0.3", "9" * 400).encode()),
        422,
        "targets are not an array of numbers",
    ),
    "deep inputs": ("/predict", deep("inputs", "[", "]", 900), 422, "inputs .* nested too deeply"),
    "deep targets": ("/predict", deep("targets", "[", "]", 900), 422, "targets .* too deeply"),
    "deep objects": ("/predict", deep("inputs", '{"a":', "}", 180), 422, "are an object"),
    "text in an inner array": (
        "/predict",
        json_of(query={"inputs": [["1"], ["2"]]}),
        422,
        "hold texts in inner arrays",
    ),
    "a long class": (
        "/predict",
        json_of({"inputs": [1, 2], "targets": ["a", "b" * 1001]}),
        422,
        "text of 1001 characters; at most 1000",
    ),
    "text": (
        "/predict",
        json_of(query={"inputs": ["/etc/passwd"]}),
        422,
        "not an array of numbers",
    ),
    "too many": (
        "/predict",
        json_of(query={"inputs": [1] * 21}),
        422,
        "has 21 examples; at most 20",
    ),
    "too large": ("/predict", raw(b" " * 2001), 413, "the body is larger than 0.0019"),
    "diverged": (
        "/predict",
        json_of({"inputs": [1e30, -1e30], "targets": [1e30, 1e30]}),
        422,
        "not finite after adapting",
    ),
    "a query to keep": ("/adapt", json_of(), 422, "POST /predict/ID asks"),
    "a support set to ask": ("/predict/abc", json_of(), 422, "the body has a support set"),
    "no Arrow": ("/predict", raw(b"PK\x03\x04", ARROW), 400, "not an Arrow IPC stream"),
    "no boundary": ("/predict", raw(b"x", FORM), 400, "boundary"),
    "a file": ("/predict", {"files": [("query", b"x")]}, 422, "no support set|is a file"),
    "a field": ("/predict", {"files": [("images", b"x")]}, 422, "'images' is unknown"),
}


@pytest.fixture(scope="module")
def client():
    with asking(application_of(numbers(), LIMITS)) as client:
        yield client


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_one_line(name, client):
    path, options, status, line = REFUSED[name]
    response = client.post(path, **options)
    assert response.status_code == status, response.text
    assert re.search(line, line_of(response)), line_of(response)


def test_another_method_is_told_the_right_one(client):
    response = client.get("/predict")
    assert response.status_code == 405
    assert line_of(response) == "GET /predict is not offered; use POST"


def test_others_get_the_same_answers_beside_them(client):
    application = application_of(numbers(), LIMITS)

    async def ask_all():
        async with together(application) as client:
            good = [client.post("/predict", json=BODY) for _ in range(len(REFUSED))]
            bad = [client.post(path, **options) for path, options, *_ in REFUSED.values()]
            mixed = [one for pair in zip(good, bad, strict=True) for one in pair]
            return await asyncio.gather(*mixed)

    answers = asyncio.run(ask_all())
    expected = rows_of(client.post("/predict", json=BODY))
    assert all(rows_of(answer) == expected for answer in answers[::2])
    wanted = [status for _, _, status, _ in REFUSED.values()]
    assert [answer.status_code for answer in answers[1::2]] == wanted


def test_a_body_without_a_length_is_limited_too(client):
    def parts():
        for _ in range(30):
            yield b" " * 100

    response = client.post("/predict", content=parts(), headers=JSON)
    assert response.status_code == 413


def test_classes_that_the_model_cannot_tell_apart_are_refused(image_zip, image_cache):
    images = as_lists(np.stack([picture(i, 0, size=16) for i in range(4)])[..., None] / 255)
    application = application_of(pictures(image_zip, image_cache))
    query = {"inputs": images[:1]}
    with asking(application) as client:

        def line(support, **options):
            body = {"support": support, "query": query}
            response = client.post("/predict", **(options or {"json": body}))
            assert response.status_code == 422
            return line_of(response)

        four = line({"inputs": images, "targets": list("abcd")})
        assert "has 4 classes (a, b, c, d), the model tells at most 3 apart" in four
        assert "has one class only" in line({"inputs": images[:2], "targets": ["a", "a"]})
        ints = (np.asarray(images) * 255).tolist()
        assert "must be in [0, 1]" in line({"inputs": ints, "targets": list("abca")})
        paths = line({"inputs": ["/etc/passwd", "b.png"], "targets": ["a", "b"]})
        assert "hold text; give arrays of numbers in [0, 1], or send images as files" in paths
        assert "hold text" in line({"inputs": [["/etc/passwd"]], "targets": ["a"]})
        for one in (3, True, None, "/etc/passwd"):
            assert "inputs" in line({"inputs": one, "targets": ["a", "b"]})
        files = [("support:a", ("a.png", png(picture(0, 0)))), ("support:b", ("b.png", b"no"))]
        both = line(None, files=[*files, ("query", ("q.png", b""))])
        assert "b.png" in both
        many = [("support:a", ("a.png", b"x"))] * 5
        assert "'support:' is unknown" in line(None, files=[("support:", b"x"), *many])


def test_no_name_of_a_column_is_a_file_of_the_service(image_zip, image_cache, tmp_path):
    names = []
    for kind in range(2):
        file = tmp_path / f"{kind}.png"
        file.write_bytes(png(picture(0, kind)))
        names.append(str(file))
    columns = {name: [0.0, 0.0] for name in names}
    query = {"inputs": columns}
    images = as_lists(np.stack([picture(i, 0, size=16) for i in range(2)])[..., None] / 255)
    good = {"inputs": images, "targets": ["a", "b"]}
    table = pa.table({"part": ["support"] * 2 + ["query"] * 2, "target": list("abab")})
    for name in names:
        table = table.append_column(name, pa.array([0.0] * 4))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with asking(application_of(pictures(image_zip, image_cache))) as client:
        key = client.post("/adapt", json={"support": good}).json()["id"]
        answers = [
            client.post("/predict", json={"support": {**good, "inputs": columns}, "query": query}),
            client.post("/predict", json={"support": good, "query": query}),
            client.post(f"/predict/{key}", json={"query": query}),
            client.post("/predict", content=sink.getvalue().to_pybytes(), headers=ARROW),
        ]
    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert "are an object of columns; give arrays of numbers in [0, 1]" in line_of(answer)


def test_an_error_of_ours_tells_nothing_of_this_machine(client, monkeypatch, caplog):
    from orchestrator.serve.served_model import ServedModel

    def fail(self, tasks):
        raise OSError("/home/somebody/secret")

    monkeypatch.setattr(ServedModel, "predict", fail)
    with caplog.at_level("ERROR", LOG.name):
        response = client.post("/predict", json=BODY)
    assert response.status_code == 500
    assert line_of(response) == "the service failed to answer; its log has the error"
    assert "/home/somebody/secret" in caplog.text
