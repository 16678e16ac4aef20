"""The imports that each room may have, and commands that start fast."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "workers", "metatrain")
FILES = [
    file.relative_to(ROOT).as_posix()
    for package in ("orchestrator", "workers")
    for file in sorted((ROOT / package).rglob("*.py"))
]
# Files, or folders ending in /, that may import these.
TENSORFLOW = (
    "workers/models/",
    "workers/heads/",
    "workers/backbone/",
    "workers/model_checks/",
    "workers/export/",
    "workers/policies/",
    "workers/inner/losses.py",
    "workers/losses/",
    "workers/inner/inner_loop.py",
    "workers/inner/optimizers.py",
    "workers/inner/adaptation.py",
    "workers/inner/clipping.py",
    "workers/inner/recompute.py",
    "workers/inner/conjugate_gradients.py",
    "workers/inner/hessian_products.py",
    "workers/execution/task_map.py",
    "workers/execution/chunks.py",
    "workers/execution/micro_batch.py",
    "workers/execution/separate_call.py",
    "workers/meta_parameters.py",
    "workers/algorithms/",
    "workers/execution/probe.py",
    "workers/execution/fingerprint.py",
    "workers/execution/portable_operations.py",
    "workers/execution/runtime.py",
    "workers/block.py",
    "workers/execution/compiled.py",
    "workers/execution/exact_derivatives.py",
    "workers/held_out.py",
    "workers/held_out_records.py",
    "workers/training.py",
    "orchestrator/outer/update.py",
    "orchestrator/outer/many_steps.py",
)
RAY = (
    "workers/actor.py",
    "orchestrator/jobs/jobs.py",
    "orchestrator/pool/ray_backend.py",
    "orchestrator/records/prometheus.py",
    "orchestrator/pool/ray_pool.py",
    "orchestrator/pool/ray_session.py",
    "orchestrator/pool/ray_signals.py",
    "orchestrator/tracking/ray_mlflow.py",
    "orchestrator/tracking/ray_wandb.py",
    "orchestrator/pool/ray_token.py",
    "orchestrator/serve/on_ray/",
    "orchestrator/sweep/ray_relay.py",
    "orchestrator/sweep/ray_schedulers.py",
    "orchestrator/sweep/ray_searcher.py",
    "orchestrator/sweep/ray_trial.py",
    "orchestrator/sweep/ray_tuner.py",
    "orchestrator/trainer.py",
)


def imported(file: str) -> set[str]:
    """List dotted names of all imports in `file`, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def importers(*packages: str) -> list[str]:
    return [
        file for file in FILES if any(name.split(".")[0] in packages for name in imported(file))
    ]


def outside(files: list[str], allowed: tuple[str, ...]) -> list[str]:
    return [file for file in files if not any(file.startswith(place) for place in allowed)]


def test_imports_are_found():
    assert "workers.wire.protocol.Draw" in imported("workers/inner/batches.py")
    assert "tensorflow" in imported("workers/execution/runtime.py")
    assert {"workers/block.py", "orchestrator/loop.py"} <= set(FILES)


def test_workers_never_import_the_orchestrator():
    assert [file for file in importers("orchestrator") if file.startswith("workers/")] == []


def test_tensorflow_and_keras_are_imported_in_their_rooms_alone():
    assert outside(importers("tensorflow", "keras"), TENSORFLOW) == []
    assert "workers/block.py" in importers("tensorflow")


def test_ray_is_imported_by_the_pool_and_the_actor_alone():
    assert outside(importers("ray"), RAY) == []
    assert importers("ray")


def test_nothing_imports_the_tests_or_the_benchmarks():
    assert importers("tests", "benchmarks", "pytest") == []


@pytest.mark.parametrize("module", ["orchestrator.cli.app", "orchestrator.config.schema"])
def test_the_command_line_starts_without_tensorflow_ray_and_arrow(module):
    code = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(result.stdout.split())
    assert module in loaded
    assert not loaded & {"tensorflow", "keras", "ray", "pyarrow", "PIL", "matplotlib"}


def test_a_sweeps_driver_does_not_import_tensorflow_before_it_is_set_up():
    """Its libraries print lines of their own, and its threads could no longer be set."""
    modules = "orchestrator.sweep.tune, orchestrator.sweep.final_evaluation"
    code = f"import sys, {modules}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "script", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda file: file.name
)
def test_what_a_benchmark_imports_of_ours_is_there(script):
    """No other test runs most of them."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGES):
            module = importlib.import_module(node.module)
            for name in (alias.name for alias in node.names):
                if not hasattr(module, name):
                    importlib.import_module(f"{node.module}.{name}")
