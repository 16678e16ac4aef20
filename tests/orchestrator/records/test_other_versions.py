"""Files of newer and older versions, and files that are not ours."""

import io
import json
import shutil
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import synthetic_run
from any_scores import same
from small_configs import sinusoid

from orchestrator.records.history import HISTORY_FILE, read_history
from orchestrator.records.metrics_log import read_metrics
from orchestrator.records.result import EVALUATION_FILE, read_result
from orchestrator.reporting.page.page import page_of
from orchestrator.reporting.page.run_folder import read_run
from orchestrator.storage.storage import Storage
from orchestrator.sweep import record, rows
from orchestrator.sweep.settings import parse_sweep

SPACE = {"outer.lr": {"loguniform": [1e-9, 1.0]}}
FILES = {EVALUATION_FILE: read_result, HISTORY_FILE: read_history, "metrics.jsonl": read_metrics}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a run, which is not written to."""
    folder = tmp_path_factory.mktemp("runs") / "a"
    synthetic_run.write_run(folder, sinusoid("outer.steps=4", "evaluation.every=2"))
    return folder


@pytest.fixture
def whole(written, tmp_path):
    shutil.copytree(written, tmp_path / "a")
    return Storage(str(tmp_path / "a"))


def changed(name, content, **more):
    if name == HISTORY_FILE:
        return json.dumps([{**entry, **more} for entry in json.loads(content)])
    if name == "metrics.jsonl":
        return "".join(json.dumps({**json.loads(r), **more}) + "\n" for r in content.splitlines())
    table = {**json.loads(content), **more}
    table["per_step"] = [{**row, **more} for row in table["per_step"]]
    return json.dumps(table)


@pytest.mark.parametrize("name", FILES)
def test_unknown_keys_of_a_newer_minor_version_are_passed_over(whole, name):
    before, content = FILES[name](whole), whole.read(name)
    whole.write(name, changed(name, content, kelvin="warm", tables=[{"a": [1]}]).encode())
    assert same(_plain(before), _plain(FILES[name](whole)))
    page_of(read_run(whole))


def _plain(value):
    if isinstance(value, list):
        return [entry if isinstance(entry, dict) else asdict(entry) for entry in value]
    return value.model_dump()


@pytest.mark.parametrize("name", FILES)
def test_a_newer_format_is_refused_by_name(whole, name):
    content = '{"format_version": 2, "step": 1}\n'
    whole.write(name, content.encode())
    with pytest.raises(ValueError, match=f"{name} has format version 2, and this metatrain reads"):
        FILES[name](whole)
    with pytest.raises(ValueError, match="format version 2"):
        read_run(whole)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", ["x", "{", "[" * 100_000, '"\\ud800', "\x00", "7", "[7]"])
def test_what_is_no_such_file_is_told_in_a_line(whole, name, content):
    whole.write(name, content.encode())
    with pytest.raises(ValueError, match=rf"^[^\n]*{name}[^\n]*$"):
        FILES[name](whole)


def test_keys_of_a_newer_sweep_are_passed_over_and_a_newer_format_is_refused(tmp_path):
    storage = Storage(str(tmp_path))
    sweep = parse_sweep({"base": "sinusoid", "space": SPACE}, "s.toml")
    record.write(storage, sweep, {"seed": 3})
    table = json.loads(storage.read(record.SWEEP_FILE))
    table["sweep"] |= {"retries": 3, "search": {**table["sweep"]["search"], "speed": "high"}}
    storage.write(record.SWEEP_FILE, json.dumps({**table, "more": 1}).encode())
    record.check(storage, sweep, {"seed": 3}, resume=True)
    del table["sweep"]["top"]  # an older version lacked it
    storage.write(record.SWEEP_FILE, json.dumps(table).encode())
    record.check(storage, sweep, {"seed": 3}, resume=True)
    storage.write(record.SWEEP_FILE, json.dumps({**table, "format_version": 2}).encode())
    with pytest.raises(ValueError, match=r"sweep\.json has format version 2"):
        record.check(storage, sweep, {"seed": 3}, resume=True)
    storage.write(record.SWEEP_FILE, b"[]")
    with pytest.raises(ValueError, match=r"sweep\.json is not what a sweep writes"):
        record.check(storage, sweep, {"seed": 3}, resume=True)


def test_columns_of_newer_trials_are_passed_over_and_a_newer_format_is_refused(tmp_path):
    storage, row = Storage(str(tmp_path)), rows.Row("a", {"outer.lr": 0.1}, "finished", 4, 0.5, 4)

    def write(table):
        stream = io.BytesIO()
        pq.write_table(table, stream)
        storage.write(rows.TRIALS_FILE, stream.getvalue())

    rows.write(storage, [row], ["outer.lr"], "loss")
    table = pq.read_table(io.BytesIO(storage.read(rows.TRIALS_FILE)))
    more = table.append_column("kelvin", pa.array(["warm"]))
    write(more.append_column("last_seen", pa.array(["now"])).drop(["seconds", "replaced_actors"]))
    assert rows.read(storage, "loss") == [row]
    write(table.replace_schema_metadata({"metatrain.format_version": "2"}))
    with pytest.raises(ValueError, match=r"sweep\.parquet has format version 2"):
        rows.read(storage, "loss")
    storage.write(rows.TRIALS_FILE, b"PAR1")
    with pytest.raises(ValueError, match=r"sweep\.parquet is not what a sweep writes"):
        rows.read(storage, "loss")
