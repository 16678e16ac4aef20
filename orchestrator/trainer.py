"""MetaTrainer: runs from Python, in Ray Train's vocabulary."""

from metatrain import refuse_others

refuse_others()  # before anything of `workers` is imported

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas
from ray.train import Checkpoint, Result, RunConfig, ScalingConfig

from orchestrator.config import ray_vocabulary
from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig
from orchestrator.records.metrics_log import read_metrics
from orchestrator.run.handed_over import OwnTasks
from orchestrator.run.locations import run_location
from orchestrator.run.signals import PythonInterrupt
from orchestrator.run.train import train
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

if TYPE_CHECKING:  # imports TensorFlow, before which the runtime must be set
    from orchestrator.records.result import Result as TestResult


class MetaTrainer:
    """A run in the calling process, which trains to the end and tests, as `metatrain train` does.

    If Ray already runs (`ray.init` was called, or RAY_ADDRESS is set), the actors start there and
    Ray keeps running; otherwise Ray is started if that is worthwhile, and ended.

    Example:

        from metatrain import MetaTrainer
        from ray.train import RunConfig, ScalingConfig

        result = MetaTrainer(
            "sinusoid",
            overrides={"outer.steps": 2000},
            scaling_config=ScalingConfig(num_workers=2),
            run_config=RunConfig(storage_path="runs", name="first"),
        ).fit()
        result.metrics["test_loss"], result.metrics_dataframe, result.checkpoint

    With tasks of one's own, from a function in a file that can be imported:

        from my_tasks import sines  # (rng, split, shots, queries) -> ((x, y), (x, y))

        MetaTrainer(tasks=sines, overrides={"outer.steps": 2000}).fit()
    """

    def __init__(
        self,
        config: MetaConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        *,
        tasks: Any = None,
        overrides: Mapping[str, Any] | None = None,
        scaling_config: ScalingConfig | None = None,
        run_config: RunConfig | None = None,
        resume: bool = False,
    ):
        """Validate all arguments; nothing starts yet.

        Args:
          config: a configuration, a table like its TOML file, the name of a preset, or the path of
            a TOML file. With `tasks` it may be left out, and its [task] is replaced.
          tasks: a function (rng, split, shots, queries) -> ((x, y), (x, y)), or a class with such a
            method `task`, at the top level of a file that actors can import: see task.kind =
            "python". Or a list of tasks, or a dict by their names: each ((x, y), (x, y)), tuples of
            arrays, or (x, y), of which support and query are drawn. They are written into the run's
            folder, which must be a local one, in the form that task.kind = "npz" reads.
          overrides: dotted name -> value, as --set on the command line.
          scaling_config: num_workers, use_gpu and resources_per_worker override [workers]. A pair
            of workers is a range: (1, 4) starts with one actor and grows to four, as the cluster
            has room. Without it workers.count is the number of actors.
          run_config: storage_path/name is the run's folder; max_failures and num_to_keep override
            workers.max_failures and checkpoint.keep. Without it the folder is the first free one
            of runs/NAME, runs/NAME-2, ...; NAME is the configuration's, or that of the function.
          resume: continue the run in that folder; without run_config, in the folder whose
            config.toml is `config`, or in the last folder of that name.
        Raises:
          ValueError: a key is wrong, a field of Ray's is set that metatrain does not support,
            there is nothing to resume, or `tasks` are invalid.
        """
        for name, value, kind in (
            ("scaling_config", scaling_config, ScalingConfig),
            ("run_config", run_config, RunConfig),
        ):
            if value is not None and not isinstance(value, kind):
                raise ValueError(f"{name} = {value!r} is not a ray.train.{kind.__name__}")
        if not isinstance(resume, bool):
            raise ValueError(f"resume = {resume!r} is neither True nor False")
        if config is None and tasks is None:
            raise ValueError("give a configuration, such as the name of a preset, or tasks")
        own = OwnTasks.of(tasks)
        config = {} if config is None else config
        settings = own.settings(config) | dict(overrides or {})
        if run_config is not None:
            settings |= ray_vocabulary.of_run_config(run_config)
        if scaling_config is not None:
            settings |= ray_vocabulary.of_scaling_config(scaling_config)
        if isinstance(config, os.PathLike):
            config = os.fspath(config)
        self.config, self._notes = configuration.load(config, settings)
        self._resume, self._own = resume, own
        location = ray_vocabulary.location(run_config) if run_config is not None else None
        self.location = run_location(self.config, config, location, resume)
        self.config = own.placed(self.config, self.location)

    def fit(self) -> Result:
        """Train, test, and draw the pictures.

        Returns:
          metrics: the last step's metrics, and test_* with their protocol and warnings.
          checkpoint: the newest checkpoint.
          best_checkpoints: the validated checkpoints, with their metrics.
          metrics_dataframe: a row per outer step.
        Raises:
          ValueError: the input is wrong.
          MetatrainError: the run failed.
          KeyboardInterrupt: the step is finished and saved, and `resume=True` continues from there.
        """
        with self._own.written(self.location):
            tested = train(
                self.config,
                self._notes,
                self.location,
                self._resume,
                allow_changes=False,
                verbose=False,
                stop=PythonInterrupt(),
                command=f"MetaTrainer(...).fit() in {Path(sys.argv[0]).name or 'Python'}",
            )
        return _as_result(Storage(self.location), tested)


def _as_result(storage: Storage, tested: "TestResult") -> Result:
    rows = read_metrics(storage)
    scores = tested.after
    metrics = {
        **rows[-1],
        **{f"test_{name}": value for name, value in scores.items()},
        "test_diverged_inner_steps": tested.diverged,
        "test_protocol": tested.protocol,
        "test_warnings": tested.warnings,
        "tested_checkpoint": tested.checkpoint,
        "tested_theta_sha256": tested.theta_sha256,
    }
    names = [whole.name for whole in checkpoint.survey(storage) if not whole.problem]
    by_step = {row["step"]: row for row in rows}
    saved = [
        (_checkpoint(storage, name), by_step.get(checkpoint.step_of(name), {})) for name in names
    ]
    return Result(
        metrics=metrics,
        checkpoint=saved[-1][0],
        error=None,
        path=storage.root,
        metrics_dataframe=pandas.DataFrame(rows),
        best_checkpoints=[(at_step, row) for at_step, row in saved if _was_validated(row)],
        _storage_filesystem=storage.filesystem,
    )


def _checkpoint(storage: Storage, name: str) -> Checkpoint:
    return Checkpoint(f"{storage.root}/{checkpoint.path(name)}", storage.filesystem)


def _was_validated(row: Mapping[str, Any]) -> bool:
    return any(name.startswith("validation_") for name in row)
