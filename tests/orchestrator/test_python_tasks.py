"""Tasks of a user's own function, from the command to the adapted model."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import small_python
from inline_command import metatrain
from ray.train import RunConfig
from small_configs import SINUSOID, sinusoid
from small_runs import ShuffledPool, in_process

from orchestrator.config.schema import load, to_toml
from orchestrator.learner import Learner
from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate
from orchestrator.run import train as train_module
from orchestrator.trainer import MetaTrainer
from workers.wire.tensors import sha256

pytestmark = pytest.mark.usefixtures("shared_runners")
HERE = str(Path(small_python.__file__).parent)


def python(name, *overrides):
    kind = ["task.kind=python", f"task.source=small_python:{name}", f"task.folder={HERE}"]
    return sinusoid(*kind, *overrides)


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(train_module, "_draw", lambda *given: None)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_source_alone_is_enough():
    config, notes = load(
        {"task": {"kind": "python", "source": "small_python:sines", "folder": HERE}}
    )
    assert (config.model.kind, config.algorithm.kind, config.task.shots) == ("mlp", "maml", 10)
    assert notes[0].startswith("defaults of task.kind = 'python': model.kind = 'mlp'")
    pictures = {"kind": "python", "source": "small_python:pictures", "folder": HERE}
    assert load({"task": pictures})[0].model.kind == "conv4"


def test_it_trains_is_drawn_described_evaluated_and_adapts(tmp_path, capsys, monkeypatch):
    (tmp_path / "own.py").write_text(Path(small_python.__file__).read_text())
    config = python("sines", f"task.folder={tmp_path}", "task.source=own:sines")
    here = to_toml(config).replace(str(tmp_path), ".")
    (tmp_path / "run.toml").write_text(here)
    code, out, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    assert "ignores `split`" in err
    tested = json.loads(Path("run/evaluation.json").read_text())
    assert tested["protocol"]["tasks_from"] == "own:sines"
    assert Path("run/picture.png").stat().st_size > 1000
    assert metatrain(capsys, monkeypatch, "evaluate", "run", "--tasks", "4")[0] == 0
    assert "own:sines" in metatrain(capsys, monkeypatch, "data", "run.toml")[1]
    Path("support.csv").write_text("x,y\n-1,0.5\n0,1\n1,0.2\n")
    Path("query.csv").write_text("x\n0.5\n2\n")
    words = ["adapt", "run", "--support", "support.csv", "--query", "query.csv"]
    code, out, err = metatrain(capsys, monkeypatch, *words)
    assert code == 0, err
    assert "x = 0.5" in out
    sent = metatrain(capsys, monkeypatch, "submit", "--dry-run", "--", "train", "run.toml")
    assert sent[0] == 0, sent
    assert "own.py" in sent[1] + sent[2]


def test_what_is_wrong_ends_with_2_and_one_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "run.toml").write_text(to_toml(python("sines")))
    for key, said in {
        "task.source=small_python:no": "small_python has no function or class 'no'; it has sines",
        "task.source=no_such": "should be 'module:function'",
        "task.arguments.width=1": "unexpected keyword argument 'width'",
        "model.kind=conv4": "the tasks have examples of shape [1], but model.kind = 'conv4' takes",
        "model.kind=conv1d": "takes signals [length, channels]; give x an axis of channels, x[..",
        "model.kind=text": "takes texts, but task.kind = 'python' has images or numbers or signals",
    }.items():
        words = ["train", "run.toml", "--out", "wrong", "--set", key]
        code, _, err = metatrain(capsys, monkeypatch, *words)
        assert code == 2, (key, err)
        assert said in " ".join(err.split()), err


@pytest.mark.slow
def test_signals_may_have_the_network_of_signals(tmp_path, no_pictures):
    convolutions = ["model.kind=conv1d", "model.blocks=2", "model.channels=4", "model.kernel=3"]
    config = python("waves", *convolutions, "outer.steps=2", "evaluation.every=2")
    place = RunConfig(storage_path=str(tmp_path), name="run")
    result = MetaTrainer(config, run_config=place).fit()
    assert result.metrics["test_protocol"]["model"] == "conv1d"
    x, y = small_python.waves(np.random.default_rng(0), "test", 2, 3)[0]
    assert set(Learner.load(result.path).adapt(x, y).predict(x)) <= {0, 1}
    with pytest.raises(ValueError, match=r"shape \[16, 16, 1\], .* takes signals .*; use another"):
        in_process(python("pictures", *convolutions))


def test_classes_are_learned_and_adapted_to(tmp_path):
    config = python("Blobs", "task.arguments={classes=2}", "outer.steps=2", "evaluation.every=2")
    result = MetaTrainer(config, run_config=RunConfig(storage_path=str(tmp_path), name="run")).fit()
    assert 0 <= result.metrics["test_accuracy"] <= 1
    assert result.metrics["test_protocol"]["chance"] == 0.5
    learner = Learner.load(tmp_path / "run")
    predictor = learner.adapt([[0.0, 0.0], [4.0, 4.0]], ["near", "far"])
    assert set(predictor.predict([[0.1, 0.1], [4.1, 4.1]])) <= {"near", "far"}


@pytest.mark.parametrize("name", ["sines", "many_sines"])
def test_theta_does_not_depend_on_the_order_of_blocks(name):
    config = python(name, "outer.steps=3", "task.draw_together=3")
    launch = in_process(config)
    start = launch.initial_state()

    def identity(pool):
        outer = OuterUpdate(config.outer, start)
        for _ in meta_train(config, launch.family, pool, outer):
            pass
        return sha256(outer.state().theta)

    expected = identity(launch.pool)
    assert expected != sha256(start.theta)
    assert {identity(ShuffledPool(launch.pool, seed)) for seed in range(3)} == {expected}


def test_a_resumed_run_has_the_same_theta(tmp_path, no_pictures):
    def run(name, steps, resume=False):
        config = python("many_sines", f"outer.steps={steps}", "evaluation.every=100")
        place = RunConfig(storage_path=str(tmp_path), name=name)
        fitted = MetaTrainer(config, run_config=place, resume=resume).fit()
        return json.loads(Path(fitted.path, "evaluation.json").read_text())["theta_sha256"]

    whole = run("whole", 8)
    assert run("halves", 4) != whole
    assert run("halves", 8, resume=True) == whole
    assert SINUSOID["checkpoint"]["every"] == 4


def test_another_module_is_not_resumed(tmp_path, no_pictures):
    text = Path(small_python.__file__).read_text()
    (tmp_path / "changing.py").write_text(text)
    config = python(
        "sines", f"task.folder={tmp_path}", "task.source=changing:sines", "outer.steps=1"
    )
    place = RunConfig(storage_path=str(tmp_path), name="run")
    MetaTrainer(config, run_config=place).fit()
    (tmp_path / "changing.py").write_text(f"{text}# changed\n")
    del sys.modules["changing"]  # as in another process
    with pytest.raises(Exception, match="would not continue with the same bits here: data"):
        MetaTrainer(config, run_config=place, resume=True).fit()


@pytest.mark.slow
def test_pictures_of_integers_go_through_conv4():
    config = python("pictures", "outer.steps=1", "model.kind=conv4", "model.filters=4")
    launch = in_process(config)
    outer = OuterUpdate(config.outer, launch.initial_state())
    (step,) = meta_train(config, launch.family, launch.pool, outer)
    assert np.isfinite(step.metrics["loss_after"])
