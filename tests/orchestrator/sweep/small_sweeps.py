"""Small sweeps. Nothing here imports TensorFlow or Ray."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.sweep.settings import SweepSettings, parse_sweep, read_sweep

BASE = 'base = "sinusoid"\n'
SPACE = '[space]\n"algorithm.inner_lr" = {loguniform = [1e-3, 0.3]}\n'


def sweep_of(space: dict[str, Any], **settings: Any) -> SweepSettings:
    return parse_sweep({"base": "sinusoid", "space": space, **settings}, "s.toml")


def read_text(folder: Path, text: str):
    path = folder / "s.toml"
    path.write_text(text)
    return read_sweep(str(path))


def refusal(read, *arguments) -> str:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        read(*arguments)
    assert refused.type is ValueError
    message = str(refused.value)
    assert "\n" not in message
    return message
