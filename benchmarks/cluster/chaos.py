"""Chaos: whether a run ends with the same weights whatever fails, and how long recovery takes.

    python benchmarks/cluster/chaos.py                     every fault, each in a process of its own
    python benchmarks/cluster/chaos.py kill-node --at 100  one of them, in the step after the 100th
    python benchmarks/cluster/chaos.py --list

Each job trains on a Ray cluster of three nodes on this machine, with Ray's default health checks,
or (for faults of the driver) with `metatrain train`. Its sha256 is compared with that of the same
run undisturbed in one process.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))  # for a checkout that is not installed

CONFIG = [
    "outer.meta_batch_size=32",
    "workers.block_size=4",
    "runtime.xla=false",
    "evaluation.every=1000000",
    "evaluation.validation_tasks=2",
    "evaluation.tasks=2",
    "checkpoint.every=20",
]
_ACTORS = 3
_LOST = {
    "CoreWorkerService.grpc_client.PushTask": {
        "num_failures": -1,
        "req_failure_prob": 25,
        "resp_failure_prob": 25,
    }
}
# A lost call is noticed after two seconds, and takes other calls with it.
_LOSING_STEPS = 5
_NO_FAULT = "none"
_LOSE_CALLS = "lose-calls"
#: Faults of the driver -> the signal.
_DRIVER = {"kill-driver": signal.SIGKILL, "stop-driver": signal.SIGTERM}
_ABOUT = {
    _LOSE_CALLS: "a quarter of all calls to actors are lost, and a quarter of the answers.",
    "kill-driver": "SIGKILL of the driver; then `--resume`.",
    "stop-driver": "SIGTERM of the driver; then `--resume`.",
}


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Faults. Default: all.")] = None,
    at: Annotated[int, typer.Option(help="Outer steps done before the fault.")] = 100,
    steps: Annotated[int, typer.Option(help="Outer steps of the job.")] = 400,
    preset: Annotated[str, typer.Option(help="A preset or a FILE.toml.")] = "sinusoid",
    list_faults: Annotated[bool, typer.Option("--list", help="List the faults.")] = False,
    child: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Inject faults into small jobs, and compare their weights with the undisturbed run's."""
    import faults

    on_ray = {**faults.ON_ACTORS, **faults.ON_NODES}
    about = {name: (fault.__doc__ or "").split("\n")[0] for name, fault in on_ray.items()} | _ABOUT
    if list_faults:
        for name, text in about.items():
            print(f"{name:16} {text}")
        return
    _check(names or [], list(about), preset, at, steps)
    if child:
        print(json.dumps(_one(names[0] if names else _NO_FAULT, preset, at, steps)))
        return
    rows: dict[str, dict[str, Any]] = {}
    expected: dict[int, str] = {}
    console = Console()
    with console.status("") as status:
        for name in names or about:
            few = min(steps, _LOSING_STEPS)
            job = (preset, 0, few) if name == _LOSE_CALLS else (preset, at, steps)
            if job[-1] not in expected:
                status.update("the undisturbed run")
                expected[job[-1]] = _in_a_process(_NO_FAULT, *job)["sha256"]
            status.update(name)
            rows[name] = _in_a_process(name, *job)
            rows[name]["same"] = rows[name]["sha256"] == expected[job[-1]]
    console.print(_table(rows))
    if not all(row["same"] for row in rows.values()):
        raise SystemExit(1)


def _check(names: list[str], all_faults: list[str], preset: str, at: int, steps: int) -> None:
    """Refuse wrong input with one line and exit code 2."""
    from orchestrator.config.schema import load

    unknown = sorted(set(names) - {*all_faults, _NO_FAULT})
    problem = ""
    if unknown:
        problem = f"no fault is called {unknown[0]}; there are {', '.join(all_faults)}"
    elif steps < 1:
        problem = f"--steps {steps} is not 1 or more"
    elif not 0 <= at < steps:
        problem = f"--at {at} is not 0 to {steps - 1}, which is below --steps"
    else:
        try:
            load(preset, CONFIG)
        except ValueError as error:
            problem = str(error)
    if problem:
        print(f"chaos: {problem}", file=sys.stderr)
        raise SystemExit(2)


def _in_a_process(name: str, preset: str, at: int, steps: int) -> dict[str, Any]:
    """Run `_one` in a separate process, and return its result."""
    environment = dict(os.environ)
    if name == _LOSE_CALLS:
        environment["RAY_testing_rpc_failure"] = json.dumps(_LOST)
    words = [name, "--child", "--preset", preset, "--at", at, "--steps", steps]
    with tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(
            [sys.executable, __file__, *map(str, words)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        if done.returncode:
            errors.seek(0)
            raise SystemExit(f"{name} failed:\n{errors.read()[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _one(name: str, preset: str, at: int, steps: int) -> dict[str, Any]:
    """Run one job, and return its sha256 and the course of the recovery."""
    overrides = [*CONFIG, f"outer.steps={steps}"]
    if name in _DRIVER:
        return _strike_driver(_DRIVER[name], preset, overrides, at)
    import faults

    from orchestrator.config.schema import load
    from orchestrator.outer.blocks import example_blocks
    from orchestrator.pool.ray_pool import RayPool
    from orchestrator.run.launch import launch
    from workers.tasks.registry import make_family

    config, _ = load(preset, [*overrides, "workers.count=0"])
    here = launch(config, make_family(config.task), {}, say=_silent)
    target = faults.Target(here.pool)
    if name == _NO_FAULT:
        return asdict(faults.run_job(here, here.pool, lambda target: None, at, target))
    messages: list[str] = []
    with faults.cluster(_ACTORS) as nodes:
        pool = RayPool(
            config.worker,
            _ACTORS,
            config.workers,
            elastic=True,
            examples=example_blocks(config, here.family),
            notify=messages.append,
        )
        pool.expect(here.fingerprint)
        pool.wait_until_ready()
        on_ray = {**faults.ON_ACTORS, **faults.ON_NODES}
        fault = on_ray.get(name, lambda target: None)
        outcome = faults.run_job(here, pool, fault, at, faults.Target(pool, nodes))
        incidents = asdict(pool.incidents)
        pool.close()
    return {**asdict(outcome), "incidents": incidents, "told": messages}


def _strike_driver(number: int, preset: str, overrides: list[str], at: int) -> dict[str, Any]:
    """Stop `metatrain train` by a signal, and resume it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        settings = [word for text in overrides for word in ("--set", text)]
        command = [sys.executable, "-m", "metatrain", "train", preset, *settings]
        command += ["--workers", "0", "--out", str(out)]
        first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while max(_saved(out)) < at and first.poll() is None:
            time.sleep(0.01)
        first.send_signal(number)
        stopped_at = time.monotonic()
        first.wait()
        before = max(_saved(out))
        again = subprocess.Popen([*command, "--resume"], stdout=subprocess.PIPE, text=True)
        while max(_saved(out)) == before and again.poll() is None:
            time.sleep(0.01)
        recovered_s = time.monotonic() - stopped_at
        text, _ = again.communicate()
        steps = [json.loads(line)["step"] for line in (out / "metrics.jsonl").open()]
    theta = re.search(r"^theta after step \d+: sha256 (\w+)", text, re.MULTILINE)
    if theta is None or steps != list(range(1, len(steps) + 1)):
        raise SystemExit(f"the resumed run failed: {text}")
    return {"sha256": theta[1], "longest_s": recovered_s, "usual_s": 0.0, "noticed": None}


def _saved(out: Path) -> list[int]:
    """List the outer steps of the run's checkpoints, after -1."""
    manifests = out.glob("checkpoints/ckpt-*/manifest.json")
    return [-1, *(int(path.parent.name.removeprefix("ckpt-")) for path in manifests)]


def _table(rows: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="Jobs with a fault, and the same jobs undisturbed in one process")
    for name in ("fault", "same sha256", "usual step, s", "longest step after it, s"):
        table.add_column(name, justify="right" if name.endswith("s") else "left")
    table.add_column("Ray had noticed")
    table.add_column("replaced, run again, second copies", justify="right")
    for name, row in rows.items():
        incidents = row.get("incidents")
        counts = "replaced_actors", "retried_calls", "copied_calls"
        table.add_row(
            name,
            "yes" if row["same"] else f"NO: {row['sha256'][:16]}…",
            f"{row['usual_s']:.3f}" if incidents else "",
            f"{row['longest_s']:.2f}" if incidents else f"{row['longest_s']:.1f} to a checkpoint",
            {None: "", True: "yes", False: "no"}[row["noticed"]],
            ", ".join(str(incidents[count]) for count in counts) if incidents else "resumed",
        )
    return table


def _silent(text: str) -> None:
    """Print nothing while a job starts."""


if __name__ == "__main__":
    typer.run(main)
