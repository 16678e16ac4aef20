import html.parser
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_run
from small_configs import sinusoid

from orchestrator.cli.report_command import write_report
from orchestrator.records.result import Result
from orchestrator.reporting.page.comparison import config_differences, labels, protocol_differences
from orchestrator.reporting.page.run_folder import read_run
from orchestrator.storage.storage import Storage
from workers.wire.errors import MetatrainError

CONFIG = ["outer.steps=30", "evaluation.every=10"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders: a, of MAML; b, of Reptile; many, on more shots; half, unfinished. Not written to."""
    folder = tmp_path_factory.mktemp("runs")
    synthetic_run.write_run(folder / "a", sinusoid(*CONFIG))
    synthetic_run.write_run(folder / "b", sinusoid(*CONFIG, "algorithm.kind=reptile"), seed=1)
    synthetic_run.write_run(folder / "many", sinusoid(*CONFIG, "evaluation.shots=9"), seed=2)
    synthetic_run.write_run(folder / "half", sinusoid(*CONFIG), steps=12)
    return folder


class Text(html.parser.HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.parts = []
        self.feed(page.read_text())

    def handle_data(self, data):
        self.parts.append(data.strip())


def text_of(page):
    return " ".join(" ".join(Text(page).parts).split())


def read(runs, *names):
    return [read_run(Storage(str(runs / name))) for name in names]


def test_a_page_is_made_anew_without_tensorflow_or_data(runs, tmp_path):
    out = tmp_path / "page.html"
    code = (
        "import sys; from pathlib import Path\n"
        "from orchestrator.cli.report_command import write_report\n"
        f"write_report([{str(runs / 'a')!r}], Path({str(out)!r}))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras", "ray"} & set(done.stdout.split())
    assert "Trained to the end: 30 outer steps." in text_of(out)


def test_the_page_of_one_run_goes_into_its_folder(runs, capsys):
    write_report([str(runs / "half")], None)
    page = runs / "half" / "report.html"
    assert "Not finished: 12 steps of 30 outer steps" in text_of(page)
    assert capsys.readouterr().out.strip() == f"page: {page}"
    first = page.read_bytes()
    write_report([str(runs / "half")], None)
    assert page.read_bytes() == first


def test_runs_are_put_side_by_side(runs, tmp_path):
    out = tmp_path / "ab.html"
    write_report([str(runs / "a"), str(runs / "b")], out)
    text = text_of(out)
    assert "algorithm.kind maml reptile" in text
    assert "These scores are not comparable" not in text
    assert "difference to the best" in text
    assert "The protocol that all share" in text


def test_another_protocol_is_told_and_nothing_is_called_best(runs, tmp_path):
    out = tmp_path / "page.html"
    write_report([str(runs / name) for name in ("a", "many", "half")], out)
    text = text_of(out)
    assert "These scores are not comparable" in text
    assert "shots 5 9" in text
    assert "difference to the best" not in text
    assert "Not evaluated: half." in text


def test_what_differs_is_found_and_nothing_else(runs):
    a, b, many = read(runs, "a", "b", "many")
    assert protocol_differences({"a": a, "b": b})["test"] == {}
    assert protocol_differences({"a": a, "b": b})["method"]["method"] == [
        "MAML, second order",
        "Reptile",
    ]
    assert protocol_differences({"a": a, "many": many})["test"] == {"shots": ["5", "9"]}
    assert config_differences({"a": a, "many": many}) == {"evaluation.shots": ["–", "9"]}
    assert config_differences({"a": a, "same": a}) == {}


def test_how_policies_learn_is_of_the_method(runs):
    a, other = read(runs, "a", "a")
    a.result.protocol.update(curvature="dice", outer_update="adam")
    other.result.protocol.update(curvature="per_step", outer_update="trpo")
    differences = protocol_differences({"a": a, "b": other})
    assert differences["test"] == {}
    assert set(differences["method"]) == {"curvature", "outer update"}


def test_what_a_new_family_says_of_its_tasks_must_be_equal(runs):
    a, other = read(runs, "a", "a")
    other.result.protocol["pond"] = "deep"
    assert protocol_differences({"a": a, "b": other})["test"] == {"pond": ["–", "deep"]}


def test_other_tasks_of_the_same_kind_are_told_apart_from_another_protocol(runs):
    a, other = read(runs, "a", "a")
    other.result.protocol["evaluation_seed"] = 99
    result = protocol_differences({"a": a, "b": other})
    assert (result["test"], list(result["draw"])) == ({}, ["evaluation seed"])


def test_the_scores_of_an_older_version_say_what_decides():
    row = {"loss": 1.0, "loss_ci95": 0.1, "accuracy": 0.5, "accuracy_ci95": 0.1}
    older = {**json.loads(SHORT), "before": row, "after": row, "per_step": [row]}
    result = Result.model_validate(older)
    assert (result.metric, result.sign, result.metrics) == ("accuracy", 1, ["accuracy", "loss"])


def test_a_loss_does_not_compare_with_an_accuracy(runs):
    a, other = read(runs, "a", "a")
    other = replace(other, result=other.result.model_copy(update={"metric": "accuracy"}))
    result = protocol_differences({"a": a, "b": other})
    assert result["test"] == {"metric": ["loss", "accuracy"]}


def test_runs_are_called_by_as_much_of_their_place_as_tells_them_apart(runs):
    (run,) = read(runs, "a")
    at = [
        replace(run, location=location) for location in ("x/a/run", "x/b/run/", "s3://c/a/run?a=/b")
    ]
    assert labels(at[:2]) == ["a/run", "b/run"]
    assert labels(at) == ["x/a/run", "x/b/run", "c/a/run"]
    assert labels([run, at[0]]) == ["a", "run"]


def test_a_comparison_goes_into_the_working_directory_and_is_made_anew(
    runs, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for names in (["a", "b"], ["a", "many"]):
        write_report([str(runs / name) for name in names], None)
        assert capsys.readouterr().out == "page: comparison.html\n"
    assert "many" in text_of(tmp_path / "comparison.html")
    assert [path.name for path in tmp_path.iterdir()] == ["comparison.html"]


def copied(runs, folder, name="half"):
    """A run's files, without its folders."""
    folder.mkdir()
    for path in (runs / name).iterdir():
        if path.is_file() and path.name != "report.html":
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def somebody_elses(runs, tmp_path):
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    return [runs / "a", runs / "b"], tmp_path / "mine.html", "mine.html exists, and is no page"


def a_folder(runs, tmp_path):
    return [runs / "a"], tmp_path, "is a folder; give a file"


def no_folder(runs, tmp_path):
    return [runs / "a"], tmp_path / "none" / "page.html", "there is no folder"


def no_run(runs, tmp_path):
    return [runs / "a", tmp_path], None, "holds no run (no config.toml)"


def not_there(runs, tmp_path):
    return [tmp_path / "none"], None, "holds no run"


def a_sweep(runs, tmp_path):
    (tmp_path / "sweep.json").write_text("{}")
    return [tmp_path], None, f"give runs, which are below {tmp_path}/trials"


def twice(runs, tmp_path):
    return [runs / "a", f"{runs}/a"], None, "is given twice"


def damaged(name, content, message):
    def case(runs, tmp_path):
        folder = copied(runs, tmp_path / "damaged", "a")
        (folder / name).write_bytes(content)
        return [folder], None, message

    return case


SHORT = """{"protocol": {"inner_steps": 0}, "before": {}, "after": {}, "per_step": [],
            "checkpoint": "", "theta_sha256": ""}"""
REFUSED = {
    "somebody else's file": somebody_elses,
    "a folder": a_folder,
    "no folder": no_folder,
    "no run": no_run,
    "not there": not_there,
    "a sweep": a_sweep,
    "twice": twice,
    "config.toml is no TOML": damaged("config.toml", b"[", "config.toml is not TOML"),
    "config.toml is nested": damaged(
        "config.toml", b"a = " + b"[" * 2000, "config.toml is not TOML: "
    ),
    "config.toml is no text": damaged("config.toml", b"\xff", "config.toml is not text"),
    "evaluation.json is cut short": damaged("evaluation.json", b"{", "is not what a run writes"),
    "evaluation.json is a list": damaged("evaluation.json", b"[]", "is not what a run writes"),
    "evaluation.json lacks its rows": damaged(
        "evaluation.json", SHORT.encode(), "per_step: List should have at least 1 item"
    ),
    "evaluation.json lacks its interval": damaged(
        "evaluation.json",
        SHORT.replace("[]", '[{"loss": 1}]').encode(),
        "a row without loss and its interval",
    ),
    "history.json is cut short": damaged("history.json", b"[{", "history.json is not what a run"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_wrong_input_is_refused_in_a_line_and_nothing_is_written(case, runs, tmp_path, monkeypatch):
    words, out, message = case(runs, tmp_path)
    monkeypatch.chdir(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        write_report([str(word) for word in words], out)
    assert "\n" not in str(refused.value)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_page_that_cannot_be_written_is_an_error_that_says_so(runs):
    with pytest.raises(MetatrainError, match=r"cannot be written to /proc/page.html: .*--out FILE"):
        write_report([str(runs / "a")], Path("/proc/page.html"))


def test_a_score_that_is_not_finite_is_told_of(runs, tmp_path):
    folder = copied(runs, tmp_path / "nan", "a")
    result = json.loads((folder / "evaluation.json").read_text())
    for row in (result["after"], result["per_step"][-1]):
        row |= {"loss": float("nan"), "loss_ci95": float("inf")}
    (folder / "evaluation.json").write_text(json.dumps(result))
    write_report([str(folder)], None)
    text = text_of(folder / "report.html")
    assert "The test mean squared error is not finite after" in text
    assert "not finite" in text


def test_rows_that_a_crash_cut_short_are_left_out_and_told_of(runs, tmp_path):
    folder = copied(runs, tmp_path / "cut")
    content = (folder / "metrics.jsonl").read_bytes()
    (folder / "metrics.jsonl").write_bytes(content[:-20])
    write_report([str(folder)], None)
    assert "1 line of metrics.jsonl cannot be read" in text_of(folder / "report.html")


def test_a_run_of_an_object_store_gets_its_page_there(runs):
    from pyarrow import fs

    storage = Storage("mock://bucket/run")
    for name in ("config.toml", "evaluation.json", "history.json"):
        storage.write(name, (runs / "a" / name).read_bytes())
    storage.write("metrics/00000030.jsonl", (runs / "a" / "metrics.jsonl").read_bytes())
    assert isinstance(storage.filesystem, fs.FileSystem)
    run = read_run(storage)
    assert (run.step, run.num_steps) == (30, 30)
    written = json.loads((runs / "a" / "evaluation.json").read_text())
    since = {
        "by_domain": None,
        "by_size": None,
        "calibration": None,
        "diverged": [],
        "format_version": 1,
        "queries_alone": None,
    }
    assert run.result.model_dump() == {**written, **since}
