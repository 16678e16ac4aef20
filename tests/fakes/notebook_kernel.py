"""A real kernel of a notebook, whose main thread has an event loop."""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import warm_commands
from shell_commands import environment

_KERNEL = """
import sys
from ipykernel.kernelapp import launch_new_instance

sys.argv += ["-f", "kernel.json"]
launch_new_instance()
"""


@dataclass
class Output:
    """What a cell gave: its standard output, its traceback, values as text, and PNG pictures."""

    text: str = ""
    error: str = ""
    values: list[str] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)


@contextmanager
def started(folder: Path) -> Iterator[Callable[[str], Output]]:
    """Start a kernel in that folder; give a function that runs a cell."""
    from jupyter_client import BlockingKernelClient
    from jupyter_client.connect import write_connection_file

    file, _ = write_connection_file(str(folder / "kernel.json"))
    script = folder / "kernel.py"
    script.write_text(_KERNEL)
    kernel = warm_commands.start(folder, environment=environment(), script=script)
    client = BlockingKernelClient()
    client.load_connection_file(file)
    client.start_channels()

    def run(code: str) -> Output:
        output = Output()

        def take(message: dict) -> None:
            content = message["content"]
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                output.text += content["text"]
            data = content.get("data", {})
            if "image/png" in data:
                output.pictures.append(base64.b64decode(data["image/png"]))
            elif "text/plain" in data:
                output.values.append(data["text/plain"])

        answer = client.execute_interactive(code, timeout=300, output_hook=take)
        output.error = "\n".join(answer["content"].get("traceback", []))
        return output

    try:
        client.wait_for_ready(timeout=120)
        yield run
        client.shutdown()
        kernel.wait(120)
    finally:
        client.stop_channels()
        kernel.kill()
