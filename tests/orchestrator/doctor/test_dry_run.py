"""`metatrain train --dry-run`: what a run would do, and nothing of it."""

import json
import tomllib

import pytest
from inline_command import metatrain
from shell_commands import snapshot, write_config
from small_configs import images, sinusoid

from orchestrator.config.schema import load
from orchestrator.doctor.dry_run import dry_run
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

pytestmark = pytest.mark.usefixtures("shared_runners")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder above a finished run of 4 steps, and its configuration."""
    folder = tmp_path_factory.mktemp("trained")
    write_config(folder, sinusoid("outer.steps=4"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setattr("sys.argv", ["metatrain", "train", "small.toml", "--out", "run"])
        from orchestrator.cli.app import main

        main()
    return folder


@pytest.fixture
def typed(trained, monkeypatch, capsys):
    """Run `metatrain train small.toml WORDS...` beside the run, which must stay as it is."""

    def run(*words):
        monkeypatch.chdir(trained)
        before = snapshot(trained)
        capsys.readouterr()
        done = metatrain(capsys, monkeypatch, "train", "small.toml", *words)
        assert snapshot(trained) == before
        return done

    return run


def test_it_says_what_the_run_would_be_and_writes_nothing(typed):
    code, out, _ = typed("--dry-run", "--set", "outer.lr=0.5")
    assert code == 0
    configuration = out.partition("Configuration\n")[2].partition("Data\n")[0]
    assert tomllib.loads(configuration)["outer"]["lr"] == 0.5
    assert "amplitude * sin(x - phase)" in out
    assert "model: mlp, 25 parameters" in out
    assert "theta: 100 B" in out
    assert "a step: 7 tasks in 4 blocks of 2" in out
    assert "to do: 4 steps; 5 validation tasks, 6 test tasks" in out
    assert "workers: this process" in out
    assert "run: would start in runs/small" in out


def test_its_sizes_are_those_of_the_run(typed, trained):
    code, out, _ = typed("--dry-run", "--json")
    assert code == 0
    plan = json.loads(out)
    state, _, _ = checkpoint.load_latest(Storage(str(trained / "run")))
    arrays = [*state.theta, *state.carry.values(), *state.optimizer.values()]
    assert plan["sizes"]["parameters"] == sum(array.size for array in state.theta)
    assert plan["sizes"]["theta_bytes"] == sum(array.nbytes for array in state.theta)
    assert plan["sizes"]["checkpoint_bytes"] == sum(array.nbytes for array in arrays)
    assert plan["sizes"]["steps"] == 4
    assert plan["run"] == {"folder": "runs/small", "resumes_after_step": None, "workers": "0"}
    assert load(plan["configuration"])[0] == load(str(trained / "small.toml"))[0]
    assert plan["data"]["kind"] == "sinusoid"


def test_a_resume_says_after_which_step(typed):
    words = ["--out", "run", "--resume", "--set", "outer.steps=9"]
    code, out, _ = typed("--dry-run", "--json", *words)
    assert code == 0
    plan = json.loads(out)
    assert plan["run"]["resumes_after_step"] == 4
    assert plan["sizes"]["steps"] == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "run"], "run already holds a run"),
        (["--out", "run", "--resume", "--set", "outer.lr=0.5"], "was trained with other numbers"),
        (["--workers", "999"], "this machine has room for"),
        (["--set", "outer.stps=1"], "unknown key outer.stps"),
    ],
)
def test_it_refuses_what_the_run_would_refuse(typed, words, message):
    code, out, err = typed("--dry-run", *words)
    assert (code, out) == (2, "")
    assert message in err.splitlines()[-1]
    assert typed(*words) == (code, out, err)


def test_the_first_of_several_seeds_is_shown(typed):
    code, out, err = typed("--dry-run", "--seeds", "3", "--set", "seed=7", "--json")
    assert code == 0
    assert json.loads(out)["run"]["folder"] == "runs/small/seed-7"
    assert "--seeds 3: this is the run of the first seed" in err


def test_of_images_the_decoded_cache_alone_is_written(tmp_path, image_zip):
    cache = tmp_path / "cache"
    plan = dry_run(images(image_zip, cache, "workers.count=auto"), [], str(tmp_path / "run"))
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert plan["data"]["classes"] == 20
    assert plan["run"]["workers"] == "auto"
    json.dumps(plan)
