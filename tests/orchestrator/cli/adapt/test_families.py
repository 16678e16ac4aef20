"""Each command that adapts a run has its own options, and names the command of other runs."""

import itertools
import re
import shlex

import pytest
import small_voices
from inline_command import metatrain
from small_configs import ONE_BY_ONE, navigation, sinusoid
from small_learners import FIRST_ORDER, run_of
from typer.main import get_command

from orchestrator.cli.adapt.families import command_of
from orchestrator.cli.app import app
from workers.losses.registry import LOSSES

pytestmark = pytest.mark.usefixtures("shared_runners")

COMMON = {"--json", "--inner-steps", "--inner-lr", "--save-model", "--help"}
OF_FILES = {"--support", "--query", "--out", "--input-column", "--task-column", "--statistics"}
OPTIONS = {
    "adapt": {*OF_FILES, "--target-column", "--coverage", "--workers", "--verbose"},
    "generate": {
        *OF_FILES,
        *("--number", "--prompt", "--temperature", "--top-k", "--seed", "--workers", "--verbose"),
    },
    "adapt-policy": {"--env", "--env-arg", "--episodes", "--evaluation-episodes", "--seed"},
}
WORDS = {
    "adapt": "--support s.csv --query s.csv --out p.parquet --save-model m.keras",
    "generate": "--support s.txt --number 3 --out p.parquet --save-model m.keras",
    "adapt-policy": "--env navigation --save-model m.keras",
}
RUNS = {
    "adapt": ("sinusoid", lambda: sinusoid(*ONE_BY_ONE)),
    "generate": ("generation", lambda: small_voices.voices(*ONE_BY_ONE, FIRST_ORDER)),
    "adapt-policy": ("navigation", lambda: navigation("outer.meta_batch_size=4", FIRST_ORDER)),
}
# But for `adapt` of a run of texts, which is forwarded for one version.
PAIRS = sorted({*itertools.permutations(RUNS, 2)} - {("adapt", "generate")})


@pytest.mark.parametrize("command", OPTIONS)
def test_the_help_of_a_command_shows_its_own_options_and_an_example(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "200")
    code, shown, _ = metatrain(capsys, monkeypatch, command, "--help")
    assert code == 0
    options = re.findall(r"^\W*(--[a-z-]+)", shown, re.M)
    assert set(options) == OPTIONS[command] | COMMON
    assert f"Example: metatrain {command} runs/" in shown


@pytest.mark.parametrize("command", OPTIONS)
def test_the_example_of_a_command_is_one(command):
    commands = get_command(app).commands
    program, name, *words = shlex.split(commands[command].epilog.removeprefix("Example: "))
    assert (program, name) == ("metatrain", command)
    assert commands[command].make_context(command, words).params["source"].startswith("runs/")


def test_options_that_commands_share_are_the_same():
    by_name = {}
    for command in OPTIONS:
        for option in get_command(app).commands[command].params:
            by_name.setdefault(option.name, []).append(
                (option.metavar, option.default, option.opts)
            )
    assert len(by_name["seed"]) == 2
    assert len(by_name["inner_lr"]) == 3
    for found in by_name.values():
        assert all(one == found[0] for one in found)


def test_every_loss_has_a_command():
    commands = {loss: command_of(loss) for loss in LOSSES}
    assert set(commands.values()) == set(OPTIONS)
    assert commands["next_token"] == "generate"
    assert commands["gaussian_policy"] == "adapt-policy"
    assert commands["ranking"] == "adapt"


@pytest.mark.parametrize(("command", "right"), PAIRS)
@pytest.mark.parametrize("given", [True, False], ids=["options", "none"])
def test_a_run_of_another_family_is_given_to_its_command(
    tmp_path, capsys, monkeypatch, command, right, given
):
    monkeypatch.chdir(tmp_path)
    kind, config = RUNS[right]
    run = run_of(config())
    words = WORDS[command].split() if given else []
    code, shown, errors = metatrain(capsys, monkeypatch, command, run, *words)
    assert (code, shown) == (2, "")
    assert len(errors.splitlines()) == 1
    assert f"(task.kind = {kind!r}); use: metatrain {right} {run} --" in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("generate {} --support nowhere.txt --number 1", "--support nowhere.txt is not a file"),
        (
            "generate {} --support nowhere.txt --number 0",
            "Invalid value for '--number'",
        ),
        ("generate {}", "there is nothing to adapt to; give --support FILE"),
        ("generate nowhere --support a.txt --number 1", "nowhere holds no run"),
        ("generate {} --support a.txt --number 1 --env CartPole-v1", "No such option: --env"),
        ("generate {} --support a.txt --number 1 --out p.txt", "--out p.txt: predictions are"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    words = words.format(run_of(RUNS["generate"][1]())).split()
    code, shown, errors = metatrain(capsys, monkeypatch, *words)
    assert (code, shown) == (2, "")
    assert len(errors.splitlines()) == 1
    assert message in errors
    assert list(tmp_path.iterdir()) == []
