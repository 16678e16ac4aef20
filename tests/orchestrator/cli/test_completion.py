"""Completion in a shell that starts after `metatrain --install-completion`."""

import shutil
import subprocess

import pytest
from shell_commands import METATRAIN, environment

from orchestrator.config.schema import presets

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder in whose shell completion was installed."""
    home = tmp_path_factory.mktemp("home")
    # It asks which shell has started it, so one has to.
    done = run(home, ["bash", "-c", f"'{METATRAIN}' --install-completion; exit $?"])
    assert done.returncode == 0, done.stderr
    return home


def run(home, words):
    given = environment() | {"HOME": str(home), "SHELL": "/bin/bash"}
    return subprocess.run(words, cwd=home, env=given, capture_output=True, text=True)


def completed(home, *words):
    """What bash offers for the last word, in a fresh interactive shell."""
    typed = " ".join(f"'{word}'" for word in ("metatrain", *words))
    script = (
        f"COMP_WORDS=({typed}); COMP_CWORD={len(words)}; complete -p metatrain >/dev/null && "
        f"_metatrain_completion '{METATRAIN}' && printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = run(home, ["bash", "-i", "-c", script])
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_commands_options_and_presets_are_completed(home):
    assert completed(home, "tra") == ["train"]
    assert {"--seeds", "--set"} <= {*completed(home, "train", "--se")}
    assert completed(home, "train", "") == presets()
    assert completed(home, "doctor", "omniglot-r") == ["omniglot-reptile-5w1s"]
