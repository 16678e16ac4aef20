"""What docs/serving.md says: its client, its paths, its statuses."""

import re

import pages
import pytest
from listening_service import listening
from small_service import SUPPORT, application_of, asking, numbers, rows_of

pytestmark = pytest.mark.usefixtures("shared_runners")


def test_its_client_gets_what_is_predicted(capsys):
    code = pages.block("client example", "python")
    application = application_of(numbers())
    names = {}
    with listening(application) as url:
        exec(code.replace("http://127.0.0.1:8000", url), names)
        with pytest.raises(ValueError, match="there is no support set abc"):
            names["ask"]("/predict/abc", {"query": {"inputs": [1.0]}})
    printed = [float(line) for line in capsys.readouterr().out.splitlines()]
    with asking(application_of(numbers())) as client:
        body = {"support": SUPPORT, "query": {"inputs": [0.0, 2.0]}}
        rows = rows_of(client.post("/predict", json=body))
    assert printed == [row["prediction"] for row in rows]


def test_its_client_asks_again_while_nobody_can_answer(monkeypatch):
    names = {}
    code = pages.block("client example", "python").partition("\nsupport = ")[0]
    exec(code, names)
    monkeypatch.setattr("time.sleep", lambda seconds: waits.append(seconds))
    waits = []
    with pytest.raises(OSError, match="refused"):
        names["ask"]("/predict", {}, url="http://127.0.0.1:9", patience_s=0.2)
    assert waits


def test_its_tables_have_all_paths_and_statuses():
    text = (pages.ROOT / "docs" / "serving.md").read_text()
    with asking(application_of(numbers())) as client:
        described = client.get("/openapi.json").json()["paths"]
    told = set(re.findall(r"^\| `(?:GET|POST) (/\S*)`", text, re.M))
    assert told == {path.replace("{id}", "ID") for path in described}
    statuses = {
        status
        for methods in described.values()
        for method in methods.values()
        for status in method["responses"]
    }
    refused = text.partition("## What is refused")[2].partition("\n## ")[0]
    told = {
        word for row in re.findall(r"^\| ([\d, ]+) \|", refused, re.M) for word in row.split(", ")
    }
    assert told - {"405"} == statuses - {"200", "500"}
