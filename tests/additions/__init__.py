"""One made-up kind of each sort: a file, and a row of a registry. See tests/test_additions.py."""

from pathlib import Path
from typing import NamedTuple


class Addition(NamedTuple):
    """source: here. file: where it goes. registry: the file that gets `row`, of its first table."""

    source: Path
    file: str
    registry: str
    row: str

    @property
    def touched(self) -> set[str]:
        """The files that are new or changed."""
        return {self.file, self.registry}


def _addition(file: str, registry: str, row: str) -> Addition:
    return Addition(Path(__file__).with_name(Path(file).name), file, registry, row)


ADDITIONS = {
    "algorithm": _addition(
        "workers/algorithms/halfway.py",
        "workers/settings/algorithms.py",
        '"halfway": "workers.algorithms.halfway:HalfwayAlgorithm",',
    ),
    "model": _addition(
        "workers/models/waves.py",
        "workers/settings/models.py",
        '"waves": "workers.models.waves:WavesModel",',
    ),
    "family": _addition(
        "workers/tasks/stairs.py",
        "workers/settings/tasks.py",
        '"stairs": "workers.tasks.stairs:StairsTask",',
    ),
    "loss": _addition(
        "workers/losses/logcosh.py",
        "workers/losses/registry.py",
        '"logcosh": "workers.losses.logcosh:LogCosh",',
    ),
    "picture": _addition(
        "orchestrator/reporting/pictures/dots.py",
        "orchestrator/reporting/pictures/registry.py",
        '"dots": "orchestrator.reporting.pictures.dots",',
    ),
    "reader": _addition(
        "orchestrator/adaptation/readers/pairs.py",
        "orchestrator/adaptation/readers/registry.py",
        '"pairs": "orchestrator.adaptation.readers.pairs:PairReader",',
    ),
    "command": _addition(
        "orchestrator/cli/greet_command.py",
        "orchestrator/cli/registry.py",
        '"greet": "orchestrator.cli.greet_command:greet",',
    ),
}
