"""Options that `metatrain adapt` had before it became three commands are forwarded, with a note."""

import shlex

import pyarrow.parquet as pq
import pytest
import small_voices
from inline_command import metatrain
from small_configs import ONE_BY_ONE, navigation, sinusoid
from small_learners import FIRST_ORDER, run_of

pytestmark = pytest.mark.usefixtures("shared_runners")

TEXTS = "--support s.txt --query q.txt"
GOAL = "--env navigation --env-arg goal=0.3,-0.2"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A run of each family: "words", "policy" and "numbers"; files for them in this folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.txt").write_text("baba\nba xba\nxx baba\n")
    (tmp_path / "q.txt").write_text("baxba\nba yba\n")
    (tmp_path / "s.csv").write_text("x,y\n-2,0.5\n0.5,0.1\n1,0.3\n")
    configs = {
        "words": small_voices.voices(*ONE_BY_ONE, "outer.steps=4", FIRST_ORDER),
        "policy": navigation(
            "outer.meta_batch_size=4", "evaluation.validation_tasks=4", FIRST_ORDER
        ),
        "numbers": sinusoid(*ONE_BY_ONE),
    }
    return {name: str(run_of(config)) for name, config in configs.items()}


def new_command(errors):
    """The words of the command line that a note gives."""
    notes = [line for line in errors.splitlines() if "the next version accepts only: " in line]
    assert len(notes) == 1
    program, *words = shlex.split(notes[0].partition("accepts only: ")[2])
    assert program == "metatrain"
    return words


@pytest.mark.parametrize(
    ("run", "former", "new"),
    [
        ("words", "--support s.txt --generate 3", "--support s.txt --number 3"),
        ("words", "--generate=3 --support=s.txt", "--number=3 --support=s.txt"),
        (
            "words",
            f"{TEXTS} --generate 2 --prompt ba --temperature 0.7 --top-k 4 --seed 5 --verbose",
            f"{TEXTS} --number 2 --prompt ba --temperature 0.7 --top-k 4 --seed 5 --verbose",
        ),
        ("words", TEXTS, TEXTS),
        ("policy", GOAL, GOAL),
        (
            "policy",
            f"{GOAL} --episodes 2 --judged-by 3 --seed 4 --inner-steps 1",
            f"{GOAL} --episodes 2 --evaluation-episodes 3 --seed 4 --inner-steps 1",
        ),
        ("policy", f"{GOAL} --verbose --top-k 3 --workers 0", GOAL),
    ],
)
def test_the_former_command_prints_what_the_new_one_does(
    runs, capsys, monkeypatch, run, former, new
):
    command = "generate" if run == "words" else "adapt-policy"
    code, shown, errors = metatrain(capsys, monkeypatch, "adapt", runs[run], *former.split())
    assert code == 0
    assert new_command(errors) == [command, runs[run], *new.split()]
    now = metatrain(capsys, monkeypatch, command, runs[run], *new.split())
    assert now[:2] == (0, shown)
    assert "next version" not in now[2]


def test_files_are_written_by_the_command_that_it_is_forwarded_to(
    runs, tmp_path, capsys, monkeypatch
):
    for name, more in (("a", ["--generate", 2]), ("b", [])):
        files = "--out", f"{name}.parquet", "--save-model", f"{name}.keras"
        words = [*TEXTS.split(), *more, *files]
        assert metatrain(capsys, monkeypatch, "adapt", runs["words"], *words)[0] == 0
        assert (tmp_path / f"{name}.keras").is_file()
    results = [pq.read_table(tmp_path / f"{name}.parquet") for name in "ab"]
    assert results[0].equals(results[1])


@pytest.mark.parametrize("given", ["--seed 3", "--prompt=ba --top-k 2 --temperature 0.5"])
def test_what_did_nothing_is_left_out(runs, capsys, monkeypatch, given):
    words = ["adapt", runs["numbers"], "--support", "s.csv", "--query", "s.csv"]
    code, shown, errors = metatrain(capsys, monkeypatch, *words, *given.split())
    assert code == 0
    assert new_command(errors) == words
    assert metatrain(capsys, monkeypatch, *words)[1] == shown


@pytest.mark.parametrize(
    ("run", "words", "message"),
    [
        ("numbers", "--support s.csv --generate 3", "use: metatrain adapt "),
        ("numbers", "--env CartPole-v1", "use: metatrain adapt "),
        ("policy", "--support s.txt --generate 3", "use: metatrain adapt-policy "),
        ("words", "--env CartPole-v1", "use: metatrain generate "),
        ("policy", "--judged-by 3", "there is nothing to act in; give --env ENV"),
        ("words", "--support s.txt", "there is nothing to do; give --query FILE, --number N"),
    ],
)
def test_what_is_forwarded_may_be_refused(runs, tmp_path, capsys, monkeypatch, run, words, message):
    before = sorted(tmp_path.iterdir())
    code, shown, errors = metatrain(capsys, monkeypatch, "adapt", runs[run], *words.split())
    assert (code, shown) == (2, "")
    new_command(errors)
    assert message in errors.splitlines()[-1]
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--env navigation --support s.csv",
            "No such option: --support (--env moved to metatrain adapt-policy)",
        ),
        ("--generate 0", " (--generate moved to metatrain generate)"),
        ("--judged-by", "requires an argument"),
        (
            "--generate 3 --env navigation",
            "--generate of metatrain generate and --env of metatrain adapt-policy; give those of",
        ),
        ("--support s.txt --target-column y", "(texts are for metatrain generate)"),
    ],
)
def test_what_the_other_command_does_not_take_is_one_line(
    runs, capsys, monkeypatch, words, message
):
    code, shown, errors = metatrain(capsys, monkeypatch, "adapt", runs["words"], *words.split())
    assert (code, shown) == (2, "")
    assert len(errors.splitlines()) == 1
    assert message in errors


def test_a_value_is_no_option(runs, capsys, monkeypatch):
    words = "--support", "s.txt", "--generate", "1", "--prompt", "--env"
    code, _, errors = metatrain(capsys, monkeypatch, "adapt", runs["words"], *words)
    assert code == 0
    new = ["--number" if word == "--generate" else word for word in words]
    assert new_command(errors) == ["generate", runs["words"], *new]


def test_a_note_shows_no_secret(capsys, monkeypatch):
    run = "nosuch://KEY:SECRET@bucket/run"
    code, _, errors = metatrain(capsys, monkeypatch, "adapt", run, "--generate", "3")
    assert code == 2
    assert "SECRET" not in errors
    assert "metatrain generate" in errors
