"""`import metatrain`: what it offers, and what it does not import for that."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import metatrain
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
