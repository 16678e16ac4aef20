"""`metatrain presets`: lists the configurations that a run can start from."""

from itertools import takewhile
from pathlib import Path

from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.json_output import Json, print_json
from orchestrator.config import schema as configuration
from orchestrator.text.lasting_console import while_somebody_reads


@command_settings(epilog="Example: metatrain presets")
def presets(as_json: Json = False) -> None:
    """List the presets and the sweeps, with a description of each."""
    from orchestrator.sweep.settings import SHIPPED, shipped_sweeps

    names = configuration.presets()
    runs = {name: _comment(configuration.preset_file(name)) for name in names}
    sweeps = {name: _comment(SHIPPED / f"{name}.toml") for name in shipped_sweeps()}
    if as_json:
        print_json({"presets": runs, "sweeps": sweeps})
        return
    titles = runs | {f"tune {name}": comment for name, comment in sweeps.items()}
    with while_somebody_reads():
        for name, comment in titles.items():
            print(f"{name}\n    {comment}\n")


def _comment(file: Path) -> str:
    """Return the comment at a file's top, as one line, without a list of details."""
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = takewhile(lambda line: line.startswith("#") and not line.startswith("# -"), lines)
    return " ".join(line[1:].strip() for line in comment)
