"""A service under load: 50 clients that ask for 60 s, what they wait, and whether all is right.

    python benchmarks/serve.py
    python benchmarks/serve.py --run runs/first --clients 50 --seconds 60 --replicas 2
    python benchmarks/serve.py --adaptations 10000

Without `--run` it serves conv4 as in the preset omniglot-5w1s, at its initial weights, with 3 inner
steps: 5-way 1-shot, 5 queries, 28 x 28 images as uint8 tensors in Arrow. With `--run` a run of such
images. Each client sends its next task when it has the answer to the last. The clients run in this
process, on the same cores as the service.

Every answer is compared with what `Learner.predict_tasks`, and with it `metatrain adapt`, predicts
here. Then the service adapts to so many further support sets, each another one, and the memory of
the replica is read every tenth of them.
"""

import asyncio
import io
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pyarrow as pa
import typer

from orchestrator.adaptation import artefact
from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.checks import with_statistics
from orchestrator.config.schema import load
from orchestrator.learner import Learner
from orchestrator.outer.state import MetaState
from workers.execution import runtime
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.user_tasks import UserTaskFamily
from workers.wire.protocol import Recipe

_ARROW = "application/vnd.apache.arrow.stream"
_WAYS, _QUERIES = 5, 5
_TASKS = 40  # different ones, in turn


def main(
    run: str = "",
    clients: int = 50,
    seconds: float = 60,
    replicas: int = 1,
    adaptations: int = 0,
) -> None:
    """Print numbers of answers, percentiles in milliseconds, and memory in MB."""
    runtime.start_tensorflow(0)
    with tempfile.TemporaryDirectory() as folder:
        source = run or str(_initial(Path(folder)))
        tasks = _tasks(source)
        process, url = _start(source, replicas)
        try:
            asyncio.run(_load(url, tasks, clients, seconds))
            if adaptations:
                asyncio.run(_adapt(url, adaptations))
        finally:
            process.terminate()
            process.wait()


def _initial(folder: Path) -> Path:
    """Write an exported file of conv4 at its initial weights."""
    from workers.meta_parameters import initial

    config, _ = load("omniglot-5w1s")
    examples = UserTaskShapes(loss="cross_entropy", input_shape=(28, 28, 1), num_outputs=_WAYS)
    worker = config.worker.model_copy(update={"task": examples})
    start = initial(worker, UserTaskFamily(examples))
    state = MetaState(0, start.theta, start.names)
    source = Artefact(config, examples, Recipe(0.4, 3), state, {}, "initial weights")
    file = folder / "initial.metatrain"
    file.write_bytes(artefact.as_bytes(source))
    return file


def _tasks(run: str) -> list[tuple[bytes, list[Any]]]:
    """Make tasks: their bodies, and the probabilities that are right."""
    source = with_statistics(artefact.load(run), None)
    learner, rng = Learner(source), np.random.default_rng(0)
    size, _, channels = source.examples.input_shape
    tasks = []
    for _ in range(_TASKS):
        shape = (_WAYS + _QUERIES, size, size, channels)
        images = rng.integers(0, 256, shape, np.uint8)
        labels = list("abcde")
        task, _ = learner.task_of(images[:_WAYS], labels, images[_WAYS:])
        (predictions,) = learner.predict_tasks([task], source.recipe)
        assert predictions is not None
        tasks.append((_body(images, labels), predictions.answers[-1].tolist()))
    return tasks


def _body(images: np.ndarray, labels: list[str]) -> bytes:
    queries = len(images) - len(labels)
    columns = {
        "part": ["support"] * len(labels) + ["query"] * queries,
        "input": pa.FixedShapeTensorArray.from_numpy_ndarray(images),
        "target": [*labels, *[None] * queries],
    }
    table, sink = pa.table(columns), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _start(source: str, replicas: int) -> tuple[subprocess.Popen[str], str]:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    words = ["serve", source, "--port", str(port), "--replicas", str(replicas)]
    process = subprocess.Popen(
        [sys.executable, "-m", "metatrain", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "serving" in line:
            return process, f"http://127.0.0.1:{port}"
    raise SystemExit("the service did not start")


async def _load(
    url: str, tasks: list[tuple[bytes, list[Any]]], clients: int, seconds: float
) -> None:
    taken_s: list[float] = []
    errors, wrong = list[str](), 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(body: bytes) -> Any:
            headers = {"Content-Type": _ARROW}
            async with session.post(f"{url}/predict", data=body, headers=headers) as answer:
                if answer.status != 200:
                    raise OSError(f"{answer.status}: {await answer.text()}")
                return await answer.json()

        for _ in range(4):  # the graph is traced, by each replica
            await asyncio.gather(*(ask(body) for body, _ in tasks))
        end = time.perf_counter() + seconds

        async def client(number: int) -> None:
            nonlocal wrong
            while (began := time.perf_counter()) < end:
                body, expected = tasks[(number + len(taken_s)) % len(tasks)]
                try:
                    rows = (await ask(body))["predictions"]
                except (OSError, aiohttp.ClientError) as error:
                    errors.append(str(error))
                    continue
                taken_s.append(time.perf_counter() - began)
                wrong += [row["probabilities"] for row in rows] != expected

        began = time.perf_counter()
        await asyncio.gather(*map(client, range(clients)))
        lasted_s = time.perf_counter() - began
    ms = np.array(taken_s) * 1e3
    print(
        f"{clients} clients, {lasted_s:.0f} s: {len(ms)} answers ({len(ms) / lasted_s:.1f}/s), "
        f"{len(errors)} errors, {wrong} with other bits; "
        f"p50 {np.percentile(ms, 50):.0f} ms, p99 {np.percentile(ms, 99):.0f} ms"
    )
    for error in sorted(set(errors))[:5]:
        print(f"error: {error}")


async def _adapt(url: str, number: int) -> None:
    rng = np.random.default_rng(1)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/model") as answer:
            shape = (await answer.json())["input_shape"]
        for done in range(number + 1):
            if done % max(1, number // 10) == 0:
                print(f"after {done} adaptations: {await _memory_mb(session, url)} MB")
            body = _body(rng.integers(0, 256, (_WAYS, *shape), np.uint8), list("abcde"))
            headers = {"Content-Type": _ARROW}
            async with session.post(f"{url}/adapt", data=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()


async def _memory_mb(session: aiohttp.ClientSession, url: str) -> dict[int, int]:
    """Resident memory of the replica that answers, by process."""
    async with session.get(f"{url}/metrics") as answer:
        found = re.search(r'replica="[^"]*:(\d+)"', await answer.text())
    assert found is not None
    status = Path(f"/proc/{found[1]}/status").read_text()
    return {int(found[1]): int(re.search(r"VmRSS:\s*(\d+)", status)[1]) // 1024}  # type: ignore[index]


if __name__ == "__main__":
    os.environ.pop("RAY_ADDRESS", None)
    typer.run(main)
