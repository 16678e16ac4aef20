"""What a newcomer does in a clone after README's first command: actors, and a job on a head here.

Runs in the clone's root with the environment that the command made, where metatrain is installed
and not editable.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ray.cluster_utils import Cluster

METATRAIN = Path(sys.executable).with_name("metatrain")
SETTINGS = ["--set", "outer.steps=20", "--set", "evaluation.tasks=20"]


def main() -> None:
    """Train here, on two actors, and as a submitted job: the same weights three times."""
    installed = metatrain_is_at()
    if Path.cwd() in installed.parents and ".venv" not in installed.parts:
        raise SystemExit(f"smoke: metatrain is installed editably, from {installed}")
    thetas = {
        f"{workers} workers": train(["train", "sinusoid", "--workers", workers, *SETTINGS])
        for workers in ("0", "2")
    }
    thetas["submitted"] = submit()
    print(*(f"smoke: {name}: theta {theta}" for name, theta in thetas.items()), sep="\n")
    if len(set(thetas.values())) != 1:
        raise SystemExit("smoke: the weights differ")


def metatrain_is_at() -> Path:
    """Where an installed command, which has no folder of its own on the path, finds us."""
    code = "import orchestrator; print(orchestrator.__file__)"
    return Path(subprocess.check_output([sys.executable, "-P", "-c", code], text=True).strip())


def submit() -> str:
    """Train as a job on a head that runs here, with two actors."""
    with tempfile.TemporaryDirectory(prefix="mt", dir="/tmp") as folder:
        os.environ |= {"RAY_TMPDIR": folder, "HOME": folder, "RAY_AUTH_MODE": "disabled"}
        Path(folder, "ray").mkdir()
        options = {"num_cpus": 2, "include_dashboard": True, "dashboard_host": "127.0.0.1"}
        ports = {"dashboard_port": 0, "dashboard_agent_listen_port": 0}
        cluster = Cluster(True, head_node_args=options | ports)
        try:
            os.environ["RAY_API_SERVER_ADDRESS"] = f"http://{cluster.webui_url}"
            job = ["train", "sinusoid", "--workers", "2", *SETTINGS]
            return train(["submit", "--wait", "--", *job])
        finally:
            cluster.shutdown()


def train(words: list[str]) -> str:
    """Run the command; theta's sha256."""
    print("+ metatrain", *words, flush=True)
    done = subprocess.run([METATRAIN, *words], stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    theta = re.search(r"theta after step \d+: sha256 ([0-9a-f]{64})", done.stdout)
    if done.returncode or not theta:
        raise SystemExit(f"smoke: metatrain {' '.join(words)} ended with {done.returncode}")
    return theta.group(1)


if __name__ == "__main__":
    main()
