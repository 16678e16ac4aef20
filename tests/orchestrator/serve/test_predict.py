"""POST /predict: the predictions of `metatrain adapt`, bit for bit, whatever the body's type."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from inline_command import metatrain
from small_images import picture, png
from small_learners import run_of
from small_service import BODY, application_of, as_lists, asking, numbers, pictures, rows_of

pytestmark = pytest.mark.usefixtures("shared_runners")

ARROW = "application/vnd.apache.arrow.stream"
CLASSES = ["ant", "zebra", "cow"]


def arrow(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def of_images(image_zip, image_cache):
    return pictures(image_zip, image_cache)


@pytest.fixture
def shown():
    """Pictures of three classes: support and queries, uint8."""
    return [np.stack([picture(i, k, size=16) for i in range(3)]) for k in (0, 1)]


def test_numbers_are_predicted_as_the_command_predicts_them(tmp_path, capsys, monkeypatch):
    config = numbers()
    files = {"support": ["x,y"], "query": ["x"]}
    for x, y in zip(*BODY["support"].values(), strict=True):
        files["support"].append(f"{x},{y}")
    files["query"] += map(str, BODY["query"]["inputs"])
    words = []
    for part, lines in files.items():
        (tmp_path / f"{part}.csv").write_text("\n".join(lines))
        words += [f"--{part}", tmp_path / f"{part}.csv"]
    code, out, _ = metatrain(capsys, monkeypatch, "adapt", run_of(config), *words, "--json")
    assert code == 0
    expected = json.loads(out)["predictions"]
    with asking(application_of(config)) as client:
        rows = rows_of(client.post("/predict", json=BODY))
    assert [row["query"] for row in rows] == ["0", "1"]
    assert [{**row, "query": ""} for row in rows] == [{**row, "query": ""} for row in expected]


def test_images_are_predicted_as_the_command_predicts_them(
    of_images, shown, tmp_path, capsys, monkeypatch
):
    words, files = [], []
    for part, images in zip(("support", "query"), shown, strict=True):
        for name, image in zip(CLASSES, images, strict=True):
            file = tmp_path / part / name / "0.png"
            file.parent.mkdir(parents=True)
            file.write_bytes(png(image))
            field = f"support:{name}" if part == "support" else "query"
            files.append((field, (f"{name}/0.png", png(image))))
        words += [f"--{part}", tmp_path / part]
    code, out, _ = metatrain(capsys, monkeypatch, "adapt", run_of(of_images), *words, "--json")
    assert code == 0
    # The command reads classes in the order of their names.
    expected = {row["query"]: row for row in json.loads(out)["predictions"]}
    order = sorted(range(3), key=CLASSES.__getitem__)
    files = [files[i] for i in order] + [files[3 + i] for i in order]
    with asking(application_of(of_images)) as client:
        rows = rows_of(client.post("/predict", files=files))
    for row in rows:
        row["target"] = row["query"].partition("/")[0]
    assert {row["query"]: row for row in rows} == expected
    assert len({tuple(row["probabilities"]) for row in rows}) > 1


def test_json_arrow_and_files_say_the_same(of_images, shown):
    support, queries = (images[..., None] / np.float32(255) for images in shown)
    body = {
        "support": {"inputs": as_lists(support), "targets": CLASSES},
        "query": {"inputs": as_lists(queries)},
    }
    files = [
        *((f"support:{name}", png(image)) for name, image in zip(CLASSES, shown[0], strict=True)),
        *(("query", (str(i), png(image))) for i, image in enumerate(shown[1])),
    ]
    both = np.concatenate([support, queries]).astype(np.float32)
    columns = {"part": ["support"] * 3 + ["query"] * 3, "target": [*CLASSES, None, None, None]}
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(both)
    flat = pa.array(both.reshape(6, -1).tolist(), pa.list_(pa.list_(pa.float32())).value_type)
    nested = pa.array(both.tolist())
    encoded = pa.array([png(image) for image in np.concatenate(shown)])
    with asking(application_of(of_images)) as client:
        expected = rows_of(client.post("/predict", json=body))
        assert rows_of(client.post("/predict", files=files)) == expected
        for inputs in (tensors, nested, encoded):
            content = arrow(pa.table({**columns, "input": inputs}))
            response = client.post("/predict", content=content, headers={"Content-Type": ARROW})
            assert rows_of(response) == expected
        headers = {"Accept": ARROW}
        told = client.post("/predict", json=body, headers=headers)
        wrong = arrow(pa.table({**columns, "input": flat}))
        refused = client.post("/predict", content=wrong, headers={"Content-Type": ARROW})
    assert told.headers["content-type"] == ARROW
    assert pa.ipc.open_stream(io.BytesIO(told.content)).read_all().to_pylist() == expected
    assert refused.status_code == 422
    assert "inputs have shape [3, 256], the model takes [n, 16, 16, 1]" in refused.json()["error"]


def test_the_answer_has_each_classs_probability(of_images, shown):
    support, queries = (as_lists(images[..., None] / 255) for images in shown)
    body = {"support": {"inputs": support, "targets": [7, 11, 7]}, "query": {"inputs": queries}}
    with asking(application_of(of_images)) as client:
        rows = rows_of(client.post("/predict", json=body))
    for row in rows:
        assert row["classes"] == ["11", "7"]
        assert sum(row["probabilities"]) == pytest.approx(1)
        best = int(np.argmax(row["probabilities"]))
        assert (row["prediction"], row["probability"]) == (
            row["classes"][best],
            row["probabilities"][best],
        )
        assert row["by_inner_step"][-1] == row["probabilities"] != row["by_inner_step"][0]
