"""The words of the command line: their encoding, likely typing errors, and the resume command."""

import os
import shlex
import shutil
import sys

from orchestrator.text.redact import redact_word

# The options of commands that take settings.
_OPTIONS = (
    "--set",
    "--out",
    "--help",
    "--resume",
    "--verbose",
    "--allow-changes",
    "--workers",
    "--tasks",
    "--checkpoint",
    "--dry-run",
    "--json",
    "--seeds",
)


def typed() -> str:
    """Return the command as it was typed, without secrets."""
    return shlex.join(["metatrain", *(redact_word(word) for word in sys.argv[1:])])


def resume_command(location: str) -> str:
    """Return the typed command with --resume and its folder, without a URI's secrets."""
    words = [redact_word(word) for word in sys.argv[1:] if word != "--resume"]
    if not any(word.split("=")[0] == "--out" for word in words):
        words += ["--out", location]
    if os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR"):  # Ray's, in a job of a cluster
        return shlex.join(["metatrain", "submit", "--again", "--", *words])
    return shlex.join([*_program(), *words, "--resume"])


def _program() -> list[str]:
    """Return the words that start this program; the script may be missing or not on the path."""
    if shutil.which("metatrain"):
        return ["metatrain"]
    if sys.argv[0].endswith(".py"):  # python -m metatrain
        return [sys.executable or "python", "-m", "metatrain"]
    return [sys.argv[0]]


def as_setting() -> str:
    """Return how to type the first setting that was given as an option, or without --set."""
    from orchestrator.config.schema import MetaConfig
    from orchestrator.config.suggestions import option_meant
    from orchestrator.sweep.settings import is_own_key

    words = sys.argv[1:]
    if not {"train", "tune", "evaluate", "data"} & set(words):
        return ""
    for before, word, after in zip(["", *words], words, [*words[1:], ""], strict=False):
        option = word.startswith("--") and not word.startswith(_OPTIONS)
        bare = "=" in word and not word.startswith("-") and before != "--set"
        if not option and not bare:
            continue
        if "tune" in words and is_own_key(word.lstrip("-").partition("=")[0]):
            return f"; {word.lstrip('-')} is a key of the sweep's file; set it there"
        value = f"={after}" if option and "=" not in word and after and after[0] != "-" else ""
        if setting := option_meant(word + value, MetaConfig):
            return f"; to change a setting, use {setting}"
    return ""


def check_settings(words: list[str]) -> None:
    """Raise ValueError for a setting whose value is a word of its own.

    The value would be taken for a preset, or for a word too many.
    """
    if "--set" not in words:
        return
    from orchestrator.config.sources import presets

    for option, key, value in zip(words, words[1:], words[2:], strict=False):
        is_value = not value.startswith("-") and value not in presets()
        if option == "--set" and "=" not in key and is_value and not value.endswith(".toml"):
            raise ValueError(
                f"--set {key} {value}: a setting and its value are one word; use --set "
                f"{key}={shlex.quote(value)}"
            )


def check_letters(words: list[str]) -> None:
    """Raise ValueError for words that are not UTF-8 text."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(word).decode(errors="backslashreplace")
            raise ValueError(f"'{shown}' is not UTF-8; rename it, or type it in UTF-8") from None
