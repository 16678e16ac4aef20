"""A LiteRT file in an environment with neither TensorFlow nor metatrain.

    metatrain export RUN FILE.tflite --format litert
    python benchmarks/litert.py RUN FILE.tflite

Makes a virtual environment with ai-edge-litert and numpy alone, and prints the file's size, the
seconds from the start of a process to its first answer (the least of five), those of adapting and
of predicting once it runs, and the largest difference of class probabilities or numbers to
`Learner`'s, on random examples. For images also the same of the whole command, `metatrain adapt
FILE` (the least of five) and `metatrain adapt RUN` (once), on pictures of these examples; this
needs ai-edge-litert beside metatrain: pip install 'metatrain[litert]'.
"""

import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
import typer

from orchestrator.adaptation.litert.file_description import read_description

_PACKAGES = ("ai-edge-litert==2.3.0", "numpy==2.4.6")
_PROGRAM = """
import json, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter

file, arrays = sys.argv[1:]
given = np.load(arrays)
interpreter = Interpreter(model_path=file)
adapt = interpreter.get_signature_runner("adapt")
predict = interpreter.get_signature_runner("predict")
shown = {name: given[name] for name in ("support_inputs", "support_targets")}
state = adapt(**shown)["state"]
ask = lambda query: predict(state=state, query_inputs=query[None])["outputs"]
outputs = np.concatenate([ask(query) for query in given["queries"]])
seconds = {}
calls = {"adapt": lambda: adapt(**shown), "predict": lambda: ask(given["queries"][0])}
for name, call in calls.items():
    began = time.perf_counter()
    for _ in range(10):
        call()
    seconds[name] = (time.perf_counter() - began) / 10
print(json.dumps({"outputs": outputs.tolist(), **seconds}))
"""


def main(run: str, file: Path) -> None:
    """Measure and print."""
    about = read_description(file)["adapt"]
    shape, targets = about["support_inputs"][1], about["support_targets"][1]
    rng = np.random.default_rng(0)
    classifies = len(targets) == 1
    support, queries = rng.random(shape, np.float32), rng.random((10, *shape[1:]), np.float32)
    labels = rng.random(targets, np.float32)
    if classifies:
        classes = int(about["support_targets"][2].rsplit(maxsplit=1)[-1]) + 1
        labels = (np.arange(shape[0]) % classes).astype(np.int32)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        np.savez(place / "a.npz", support_inputs=support, support_targets=labels, queries=queries)
        venv.create(place / "venv", with_pip=True)
        python = str(place / "venv" / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", *_PACKAGES], check=True)
        command = [python, "-c", _PROGRAM, str(file.resolve()), str(place / "a.npz")]
        taken, told = [], {}
        for _ in range(6):  # the first one reads the packages from the disk
            began = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            taken.append(time.perf_counter() - began)
            told = json.loads(done.stdout.splitlines()[-1])
    outputs = np.array(told["outputs"])
    from orchestrator.learner import Learner

    learner = Learner.load(run)
    if classifies:
        predictor = learner.adapt(support, [f"{label:05}" for label in labels])
        powers = np.exp(outputs - outputs.max(-1, keepdims=True))
        ours, theirs = predictor.predict_proba(queries), powers / powers.sum(-1, keepdims=True)
    else:
        ours, theirs = learner.adapt(support, labels).predict(queries), outputs
    print(f"file: {file.stat().st_size / 1e6:.2f} MB")
    print(f"process, ten answers: {min(taken[1:]):.2f} s; the first time {taken[0]:.2f} s")
    print(f"adapt: {told['adapt'] * 1e3:.1f} ms; predict one: {told['predict'] * 1e3:.2f} ms")
    print(f"largest difference: {np.abs(ours - theirs).max():.1e}")
    if classifies and len(shape) == 4 and shape[-1] == 1:
        commands(run, file, support, labels, queries)


def commands(run: str, file: Path, support: np.ndarray, labels: np.ndarray, queries: np.ndarray):
    """Measure `metatrain adapt` of the file and of the run, with pictures in folders."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for i, (image, label) in enumerate(zip(support, labels, strict=True)):
            save(image, place / "support" / f"class{label:05}" / f"{i}.png")
        for i, image in enumerate(queries):
            save(image, place / "query" / f"{i}.png")
        words = [f"--{name}={place / name}" for name in ("support", "query")]
        for source, times in ((file, 6), (run, 1)):
            command = [sys.executable, "-m", "metatrain", "adapt", str(source), *words, "--json"]
            taken, documents = [], []
            for _ in range(times):
                began = time.perf_counter()
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                taken.append(time.perf_counter() - began)
                documents.append(json.loads(done.stdout)["predictions"])
            print(f"metatrain adapt {source}: {min(taken):.2f} s; the first time {taken[0]:.2f} s")
            (first, *_) = documents
            if source == file:
                of_file = np.array([row["probabilities"] for row in first])
        of_run = np.array([row["probabilities"] for row in first])
        print(f"largest difference of their probabilities: {np.abs(of_file - of_run).max():.1e}")


def save(image: np.ndarray, file: Path) -> None:
    """Write a grey image, 0 to 1, as a PNG."""
    from PIL import Image

    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((image[..., 0] * 255).round().astype(np.uint8)).save(file)


if __name__ == "__main__":
    typer.run(main)
