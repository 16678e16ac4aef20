"""A command as a user types it, in this process."""

import sys

from orchestrator.cli.app import main


def metatrain(capsys, monkeypatch, *words):
    """The command's exit code, its output and its errors."""
    monkeypatch.setattr(sys, "argv", ["metatrain", *map(str, words)])
    code = 0
    try:
        main()
    except SystemExit as error:
        code = error.code or 0
    return code, *capsys.readouterr()
