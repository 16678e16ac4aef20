"""The help of every command shows an example, which the command takes."""

import shlex

import command_page
import pytest
from inline_command import metatrain
from typer.main import get_command

from orchestrator.cli.app import app
from orchestrator.cli.registry import COMMANDS


@pytest.fixture
def wide(monkeypatch):
    """A terminal in which no line is folded."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_shows_an_example_that_it_takes(name, wide, capsys, monkeypatch):
    code, out, err = metatrain(capsys, monkeypatch, name, "--help")
    assert (code, err) == (0, "")
    (example,) = [line.strip() for line in out.splitlines() if "Example: " in line]
    program, called, *words = shlex.split(example.removeprefix("Example: "))
    assert (program, called) == ("metatrain", name)
    group = get_command(app)
    with group.make_context("metatrain", [name, *words]) as context:
        group.commands[name].make_context(name, words, parent=context)


def test_the_page_of_the_commands_shows_each_example():
    text = command_page.text()
    assert text.count("Example:") == len(COMMANDS)
    assert "```sh\nmetatrain checkpoints runs/sinusoid\n```" in text
