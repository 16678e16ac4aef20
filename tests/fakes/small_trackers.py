"""Modules in the place of mlflow and wandb, which Ray's integrations log to."""

import importlib.machinery
import sys
from types import ModuleType, SimpleNamespace
from typing import Any


class SmallMlflow(ModuleType):
    """What a server would have: runs by id, each with its parameters, metrics and status.

    fails: log_metrics raises.
    """

    __version__ = "3.0"

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.__spec__ = importlib.machinery.ModuleSpec("mlflow", None)
        self.uris: list[str] = []
        self.experiments: list[str] = []
        self.runs: dict[str, dict[str, Any]] = {}
        self.fails = False
        self._active: str | None = None

    def set_tracking_uri(self, uri):
        self.uris.append(uri)

    def set_registry_uri(self, uri):
        pass

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id=name) if name in self.experiments else None

    def create_experiment(self, name, artifact_location=None):
        self.experiments.append(name)
        return name

    def active_run(self):
        return self._active and SimpleNamespace(info=SimpleNamespace(run_id=self._active))

    def start_run(self, run_name=None, experiment_id=None, tags=None):
        import os

        id = os.environ.pop("MLFLOW_RUN_ID", None) or f"run{len(self.runs)}"
        empty = {"name": run_name, "params": {}, "metrics": {}, "status": ""}
        self.runs.setdefault(id, empty)
        self._active = id
        return self.active_run()

    def log_param(self, key, value):
        self.runs[self._active]["params"][key] = value

    def log_metrics(self, metrics, step):
        print("a word on standard output")
        if self.fails:
            raise ConnectionError("the server is gone")
        self.runs[self._active]["metrics"][step] = metrics

    def end_run(self, status):
        self.runs[self._active]["status"] = status
        self._active = None


class SmallWandb(ModuleType):
    """What an account would have: the arguments of each `init`, and the run it gave."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.__spec__ = importlib.machinery.ModuleSpec("wandb", None)
        self.api = SimpleNamespace(api_key=None)
        self.inits: list[dict[str, Any]] = []
        self.metrics: dict[int, dict[str, float]] = {}
        self.exit_codes: list[int] = []

    def init(self, **given):
        self.inits.append(given)
        return SimpleNamespace(log=self._log, finish=self._finish)

    def _log(self, metrics, step):
        self.metrics[step] = self.metrics.get(step, {}) | metrics

    def _finish(self, exit_code):
        self.exit_codes.append(exit_code)


def installed(monkeypatch, module):
    """Let `import mlflow`, or wandb, and Ray's integration of it find the module."""
    from ray.air.integrations import mlflow, wandb

    integration = {"mlflow": mlflow, "wandb": wandb}[module.__name__]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(integration, module.__name__, module)
    if module.__name__ == "mlflow":
        tags = ModuleType("mlflow.utils.mlflow_tags")
        tags.MLFLOW_RUN_NAME = "mlflow.runName"  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "mlflow.utils", ModuleType("mlflow.utils"))
        monkeypatch.setitem(sys.modules, tags.__name__, tags)
    else:
        monkeypatch.setattr(wandb, "_clean_log", lambda config: config)
    return module
