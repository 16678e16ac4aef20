"""`metatrain serve`: what it refuses before anything starts."""

import importlib.util
import os
import socket

import pytest
from inline_command import metatrain
from small_configs import navigation
from small_learners import run_of
from small_service import numbers

from orchestrator.cli import serve_command
from orchestrator.serve.listening import TOKEN_VARIABLE as VARIABLE
from orchestrator.serve.listening import read_token
from workers.execution.isa import RestartNeededError

pytestmark = pytest.mark.usefixtures("shared_runners")

TOKEN = "correct-horse-battery"


@pytest.fixture
def refused(capsys, monkeypatch):
    """The line that a command is refused with."""
    monkeypatch.delenv(VARIABLE, raising=False)

    def run(*words, port=18080):
        code, out, err = metatrain(capsys, monkeypatch, "serve", *words, "--port", port)
        assert (code, out, len(err.splitlines())) == (2, "", 1), err
        return err

    return run


def test_an_address_that_others_reach_needs_a_token(refused, monkeypatch, tmp_path):
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        line = refused("runs/none", "--host", host)
        assert f"--host {host}: other machines reach this address; give a token" in line
        assert "--token-file FILE" in line
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert "holds no run" in refused(tmp_path, "--host", "0.0.0.0")


def test_a_port_that_is_taken_is_refused(refused):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        line = refused("runs/none", port=other.getsockname()[1])
    assert "nothing can listen there (Address already in use); give another port" in line


@pytest.mark.parametrize("content", [b"short", b"", b"with a blank in it", b"\xff" * 20])
def test_a_token_must_be_long_and_visible_and_is_never_shown(content, refused, tmp_path):
    (tmp_path / "token").write_bytes(content)
    line = refused("runs/none", "--token-file", tmp_path / "token")
    assert "visible ASCII characters" in line or "cannot be read" in line
    assert "blank" not in line
    assert "cannot be read" in refused("runs/none", "--token-file", tmp_path / "nothing")


def test_the_token_is_in_a_file_or_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_token(None) == ""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert read_token(tmp_path / "token") == TOKEN
    monkeypatch.setenv(VARIABLE, f"{TOKEN}-2")
    assert read_token(None) == f"{TOKEN}-2"
    assert read_token(tmp_path / "token") == TOKEN
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(ValueError, match="METATRAIN_SERVE_TOKEN holds 0 characters"):
        read_token(None)


def test_a_run_that_does_not_learn_from_examples_is_refused(refused):
    assert "is a policy" in refused(run_of(navigation()))


def test_settings_of_adapting_are_checked_first(refused):
    run = run_of(numbers())
    assert "inner_lr = -1; it must be above 0" in refused(run, "--inner-lr", "-1")
    assert "statistics = 'support': the model has" in refused(run, "--statistics", "support")


@pytest.mark.parametrize("option", ["--keep-for", "--max-body", "--max-growth"])
@pytest.mark.parametrize("value", ["inf", "nan", "-inf", "1e300"])
def test_sizes_and_times_are_finite(option, value, refused):
    assert f"Invalid value for '{option}'" in refused("runs/none", option, value)


@pytest.fixture
def served(monkeypatch):
    """What the environment has as the token when the service starts: a list."""
    seen = []
    monkeypatch.setattr(serve_command, "_serve", lambda *_: seen.append(os.environ.get(VARIABLE)))
    return seen


@pytest.mark.parametrize("in_file", [True, False])
def test_the_token_does_not_stay_in_the_environment(in_file, served, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, TOKEN)
    (tmp_path / "token").write_text(TOKEN)
    file = ["--token-file", tmp_path / "token"] if in_file else []
    words = ["serve", run_of(numbers()), *file, "--port", 18080]
    assert metatrain(capsys, monkeypatch, *words)[0] == 0
    assert served == [None]


def test_a_command_that_starts_again_for_other_instructions_still_has_the_token(
    served, monkeypatch
):
    def open_run(*_):
        raise RestartNeededError("", {})

    monkeypatch.setenv(VARIABLE, TOKEN)
    monkeypatch.setattr("orchestrator.cli.adapt.sources.open_run", open_run)
    with pytest.raises(RestartNeededError):
        serve_command.serve("runs/none", port=18080)
    assert os.environ[VARIABLE] == TOKEN
    assert not served


def test_without_the_extra_it_says_how_to_install_it(refused, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "uvicorn" else find(name)
    )
    assert "uvicorn is not installed" in refused("runs/none")
    assert "pip install 'metatrain[serve]'" in refused("runs/none")
