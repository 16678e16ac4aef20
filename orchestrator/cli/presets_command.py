"""`metatrain presets`: lists the configurations that a run can start from."""

from pathlib import Path

from orchestrator.config import schema as configuration
from orchestrator.text.lasting_console import while_somebody_reads


def presets() -> None:
    """List the presets and the sweeps, with a description of each."""
    from orchestrator.sweep.settings import SHIPPED, shipped_sweeps

    with while_somebody_reads():
        for name in configuration.presets():
            _describe(f"{name}", configuration.PRESETS / f"{name}.toml")
        for name in shipped_sweeps():
            _describe(f"tune {name}", SHIPPED / f"{name}.toml")


def _describe(title: str, file: Path) -> None:
    """Print a file's name, and the comment at its top."""
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = [line[1:].strip() for line in lines if line.startswith("#")]
    print(f"{title}\n    {' '.join(comment)}\n")
