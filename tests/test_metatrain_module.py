"""`import metatrain`: its names, and the modules that it does not import."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import metatrain
import orchestrator.cli.app
from orchestrator.learner import Learner
from orchestrator.trainer import MetaTrainer


def test_it_offers_the_trainer_the_learner_and_its_version():
    assert metatrain.MetaTrainer is MetaTrainer
    assert metatrain.Learner is Learner
    assert metatrain.__version__ == version("metatrain")
    assert {"Learner", "MetaTrainer", "__version__"} <= set(dir(metatrain))
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        _ = metatrain.nosuch


def test_neither_its_import_nor_its_version_imports_ray_or_tensorflow():
    code = (
        "import sys, metatrain\n"
        "print(metatrain.__version__)\n"
        "print([n for n in ('ray', 'tensorflow', 'keras', 'orchestrator') if n in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [metatrain.__version__, "[]"]


def test_a_pod_finds_the_process_by_its_name_however_it_was_started():
    """As `python -m metatrain`, and after a restart with other environment variables."""
    code = (
        "import metatrain, orchestrator.cli.app as app\n"
        "app.main = lambda: print(open('/proc/self/comm').read(), end='')\n"
        "metatrain.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "metatrain\n"


def test_a_system_without_proc_has_processes_without_that_name(monkeypatch):
    monkeypatch.setattr(metatrain, "Path", lambda path: Path("/nowhere") / path[1:])
    metatrain.name_process()


@pytest.mark.parametrize("named", ["nonsense", "TkAgg"])
def test_a_backend_of_matplotlibs_for_windows_is_not_asked_for(named, monkeypatch):
    seen = []
    monkeypatch.setenv("MPLBACKEND", named)
    monkeypatch.setattr(metatrain, "in_utf8", lambda: None)
    monkeypatch.setattr(metatrain, "spell_out", lambda: None)
    monkeypatch.setattr(metatrain, "_stop_on_signals", lambda: None)
    monkeypatch.setattr(metatrain.signal, "signal", lambda *_: None)
    monkeypatch.setattr(orchestrator.cli.app, "main", lambda: seen.append(os.environ["MPLBACKEND"]))
    metatrain.main()
    assert seen == ["agg"]
