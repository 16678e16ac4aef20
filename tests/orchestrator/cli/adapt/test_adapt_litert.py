"""`metatrain adapt FILE.tflite` says what it says of the run, without TensorFlow."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from inline_command import metatrain
from shown_protocol import protocol_in
from small_configs import ONE_BY_ONE, images, sinusoid
from small_images import members, write_folder
from small_learners import FIRST_ORDER, run_of
from small_litert import litert_of, use_an_interpreter

from orchestrator.adaptation import artefact

pytestmark = [
    pytest.mark.usefixtures("shared_runners"),
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter.*"),
]

MANY = "evaluation.validation_tasks=40"
NUMBERS = ["evaluation.inner_steps=[1,3]", MANY, "task.loss=gaussian_nll"]
PROTONET = ["evaluation.inner_steps=[1]", "algorithm.kind=protonet"]


def points(folder):
    """Files of points of a wave: five to adapt to, four to predict."""
    for name, x in (("support", np.linspace(-4, 4, 5)), ("query", np.linspace(-3, 9, 4))):
        rows = "\n".join(f"{value},{np.sin(value)}" for value in x.tolist())
        (folder / f"{name}.csv").write_text(f"x,y\n{rows}\n")
    return [f"--{name}={folder / name}.csv" for name in ("support", "query")]


def pictures(folder, classes=3, examples=1):
    """Folders of class folders, of pictures larger than the run's."""
    own = members(num_classes=classes, examples=examples + 1)
    last = f"{examples:02}.png"
    for name in ("support", "query"):
        chosen = {k: v for k, v in own.items() if k.endswith(last) == (name == "query")}
        write_folder(folder / name, chosen)
    return [f"--{name}={folder / name}" for name in ("support", "query")]


@pytest.fixture
def of_numbers(tmp_path, monkeypatch):
    """A run of sinusoids, its LiteRT file, and the options of examples."""
    use_an_interpreter(monkeypatch)
    run = run_of(sinusoid(*ONE_BY_ONE, *NUMBERS))
    usual = [[1 + i / 10, 0.1 + i / 10] for i in range(120)]
    source = replace(artefact.load(str(run)), support_losses=usual)
    monkeypatch.setattr(artefact, "load", lambda run: source)
    return run, litert_of(run, tmp_path / "a.tflite"), points(tmp_path)


def both(capsys, monkeypatch, run, file, *words):
    """The documents that the run and the file give."""
    documents = []
    capsys.readouterr()  # what the export said
    for source in (run, file):
        code, shown, told = metatrain(capsys, monkeypatch, "adapt", source, *words, "--json")
        assert code == 0, told
        documents.append(json.loads(shown))
    return documents


def assert_alike(ours, theirs):
    """Compare two values of JSON: numbers by 1e-5."""
    if isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            assert_alike(value, theirs[key])
    elif isinstance(ours, list):
        assert len(ours) == len(theirs)
        for pair in zip(ours, theirs, strict=True):
            assert_alike(*pair)
    elif isinstance(ours, float):
        assert theirs == pytest.approx(ours, rel=1e-5, abs=1e-5)
    else:
        assert ours == theirs


def test_numbers_their_intervals_scores_and_likeness_are_the_runs(of_numbers, capsys, monkeypatch):
    run, file, words = of_numbers
    of_run, of_file = both(capsys, monkeypatch, run, file, *words, "--coverage=0.8")
    origins = of_run["protocol"].pop("weights"), of_file["protocol"].pop("weights")
    assert origins[1] == f"{file} ({origins[0]})"
    assert_alike(of_run, of_file)
    row = of_file["predictions"][0]
    assert len(row["by_inner_step"]) == of_file["protocol"]["inner_steps"] + 1
    assert row["interval"][0] < row["prediction"] < row["interval"][1]
    assert list(of_file["scores"]) == ["loss", "mse"]
    assert of_file["likeness"][0]["p_value"] > 0


@pytest.mark.parametrize(
    ("settings", "classes"),
    [
        pytest.param([FIRST_ORDER, "evaluation.inner_steps=[2]"], 3, id="maml"),
        pytest.param(["model.normalization=layer", FIRST_ORDER, MANY], 2, id="fewer classes"),
        pytest.param([*PROTONET, MANY], 4, id="protonet"),
    ],
)
def test_classes_of_images_and_their_sets_are_the_runs(
    tmp_path, image_zip, image_cache, capsys, monkeypatch, settings, classes
):
    use_an_interpreter(monkeypatch)
    run = run_of(images(image_zip, image_cache, *ONE_BY_ONE, "task.invert=true", *settings))
    words = pictures(tmp_path, classes, 3 if classes == 2 else 1)
    of_any = classes if "algorithm.kind=protonet" in settings else None
    file = litert_of(run, tmp_path / "a.tflite", of_any, 2 if classes == 2 else 1)
    of_run, of_file = both(capsys, monkeypatch, run, file, *words)
    del of_run["protocol"]["weights"], of_file["protocol"]["weights"]
    assert_alike(of_run, of_file)
    assert ("set" in of_file["predictions"][0]) == (MANY in settings)
    assert list(of_file["scores"]) == ["accuracy", "loss"]


def test_the_table_is_shown_and_written(of_numbers, tmp_path, capsys, monkeypatch):
    run, file, words = of_numbers
    shown = []
    for source, out in ((run, tmp_path / "run.parquet"), (file, tmp_path / "file.parquet")):
        code, text, told = metatrain(capsys, monkeypatch, "adapt", source, *words, "--out", out)
        assert code == 0, told
        shown.append(text)
        assert protocol_in(text)["support examples"] == "5"
    assert "(LiteRT), predicted in" in told
    tables = [pq.read_table(tmp_path / f"{name}.parquet") for name in ("run", "file")]
    assert tables[0].schema == tables[1].schema
    assert_alike(*(table.to_pylist() for table in tables))
    assert shown[0].splitlines()[:4] == shown[1].splitlines()[:4]


WITHOUT = """
import sys
sys.modules["ai_edge_litert"] = None if {missing} else sys.modules.get("ai_edge_litert")
if not {missing}:
    del sys.modules["ai_edge_litert"]
sys.argv = ["metatrain", *{words}]
import metatrain
try:
    metatrain.main()
finally:
    slow = {{"tensorflow", "keras", "ray", "pyarrow", "matplotlib"}} & set(sys.modules)
    print("slow:", *sorted(slow), file=sys.stderr)
"""


@pytest.mark.parametrize("missing", [True, False])
def test_nothing_slow_is_imported(tmp_path, image_zip, image_cache, missing):
    """Without the interpreter's package too: that is told after all has been read."""
    if not missing:
        pytest.importorskip("ai_edge_litert")
    run = run_of(images(image_zip, image_cache, *ONE_BY_ONE, FIRST_ORDER))
    file = litert_of(run, tmp_path / "a.tflite")
    words = ["adapt", str(file), *pictures(tmp_path)]
    program = WITHOUT.format(missing=missing, words=words)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ
    )
    lines = done.stderr.splitlines()
    assert "slow:" in lines
    if missing:
        assert done.returncode == 2
        refusal = next(line for line in lines if line.startswith("metatrain: "))
        assert "ai-edge-litert, which cannot be imported" in refusal
        assert "pip install 'metatrain[litert]'" in refusal
    else:
        assert done.returncode == 0, done.stderr
        assert "Predictions after inner steps" in done.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--inner-steps=5"], "--inner-steps 5: a LiteRT file adapts as it was exported ("),
        (["--inner-lr=0.5"], "--inner-lr 0.5: a LiteRT file adapts as it was exported (0.05)"),
        (["--statistics=batch"], "--statistics batch: a LiteRT file adapts as it was exported"),
        (["--workers=2"], "--workers 2: a LiteRT file adapts as it was exported, in this process"),
        (["--save-model=m.keras"], "--save-model m.keras: a LiteRT file"),
        (["--coverage=0.2"], "coverage = 0.2: give the share"),
        (["--support=nowhere.csv"], "--support nowhere.csv is not a file"),
    ],
)
def test_what_only_a_run_can_do_is_refused(of_numbers, capsys, monkeypatch, more, message):
    _, file, words = of_numbers
    code, shown, told = metatrain(capsys, monkeypatch, "adapt", file, *words, *more)
    assert (code, shown) == (2, "")
    assert message in told.splitlines()[-1]


def test_another_number_of_examples_is_told_with_what_to_do(of_numbers, capsys, monkeypatch):
    _, file, (_, query) = of_numbers
    other = query.replace("--query", "--support")
    code, _, told = metatrain(capsys, monkeypatch, "adapt", file, other, query)
    assert code == 2
    assert f"the support set has 4 examples, {file} adapts to 5 (5 examples); give as" in told
    assert "metatrain export RUN FILE.tflite --format litert --examples 4" in told


def test_another_number_of_classes_is_told_with_what_to_do(
    tmp_path, image_zip, image_cache, capsys, monkeypatch
):
    run = run_of(images(image_zip, image_cache, *ONE_BY_ONE, *PROTONET))
    file = litert_of(run, tmp_path / "a.tflite", 4, 1)
    code, _, told = metatrain(capsys, monkeypatch, "adapt", file, *pictures(tmp_path, 2, 2))
    assert code == 2
    assert "the support set has 2 classes" in told
    assert "--format litert --classes 2" in told
    code, _, told = metatrain(capsys, monkeypatch, "adapt", file, *pictures(tmp_path / "b", 4, 2))
    assert code == 2
    assert "the support set has 8 examples" in told
    assert "adapts to 4 (4 classes of 1 example)" in told
    assert "--format litert --examples 2" in told
