"""A training run from its configuration to its evaluation: resume, save, validate, test.

Wiring only. The command line, the Python API and sweeps each consume `steps()`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from orchestrator.config.schema import MetaConfig, to_toml
from orchestrator.evaluate import metric_names, recipe_at, validate
from orchestrator.loop import StepReport, meta_train
from orchestrator.outer.state import MetaState, check_shapes
from orchestrator.outer.update import OuterUpdate
from orchestrator.records.history import RunHistory, new_entry
from orchestrator.records.metrics_log import MetricsLog
from orchestrator.records.prometheus import metrics_of
from orchestrator.records.result import EVALUATION_FILE, Result
from orchestrator.records.tensorboard import TensorBoardLog
from orchestrator.run.best_checkpoint import evaluate_best, protocol_of
from orchestrator.run.checkpoint_writer import CheckpointWriter, Snapshot, explaining
from orchestrator.run.due import is_validated, steps_until_due
from orchestrator.run.launch import Launch
from orchestrator.run.signals import NoStop, Stop
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import encoded
from workers.tasks.user_tasks import user_task_shapes
from workers.wire.errors import CheckpointError
from workers.wire.protocol import Weights
from workers.wire.tensors import sha256


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run: a step, and what was done right after it.

    report: the report of the step.
    row: the step's row of metrics.jsonl.
    validation: the record of `evaluate.validate`, empty if the step was not validated.
    saved: name of the checkpoint that is being written, "" if there is none.
    """

    report: StepReport
    row: dict[str, Any] = field(default_factory=dict)
    validation: dict[str, Any] = field(default_factory=dict)
    saved: str = ""


class TrainingRun:
    """A run in its folder. Between two steps of `steps()` it can be saved and left.

    storage: its folder.
    launch: its task family and pool.
    first_step: outer steps done when it was opened.
    """

    def __init__(
        self,
        config: MetaConfig,
        storage: Storage,
        launch: Launch,
        resumed: MetaState | None,
        notify: Callable[[str], None] = lambda note: None,
        command: str = "",
        stop: Stop | None = None,
    ):
        """Start from `resumed`, or with theta drawn from the seed, which is saved as step 0.

        Args:
          launch: the task family and the pool; closed by `close`, and if the run cannot be opened.
          resumed: the state to resume; None for a new run.
          notify: takes a line about faults that do not end the run; called in another thread.
          command: the command that opened the run, for history.json.
          stop: its first signal ends a validation; None to leave signals alone.
        Raises:
          ValueError: `resumed` holds the weights of another model.
          CheckpointError: the folder cannot be written to.
        """
        self._config, self.storage, self.launch = config, storage, launch
        self._stop = stop or NoStop()
        with ExitStack() as opened:
            opened.callback(launch.close)
            self._open(resumed, notify, command, opened)
            opened.pop_all()

    def _open(
        self,
        resumed: MetaState | None,
        notify: Callable[[str], None],
        command: str,
        opened: ExitStack,
    ) -> None:
        """Open the files, and register them in `opened` in case the rest fails."""
        config, storage = self._config, self.storage
        initial = self.launch.initial_state()
        state = resumed or initial
        check_shapes(initial, state)
        self.first_step = self._logged_step = state.step
        self._outer = OuterUpdate(config.outer, state)
        self._snapshot_step = saved_step = state.step if resumed else -1
        self._validation: dict[str, Any] = {}
        self._last_complete = state if self._keeps(state.step) else None
        with explaining(storage, "config.toml", saved_step):
            storage.write_changed("config.toml", to_toml(config).encode())
            self._tensorboard = TensorBoardLog(storage, state.step, config.outer.steps)
            self._log = MetricsLog(storage, state.step, notify)
        self._metrics = metrics_of(storage.name, metric_names(self.launch.family))
        self._history = RunHistory(storage, new_entry(self.launch, command, state.step), notify)
        self._writer = CheckpointWriter(
            storage,
            self._log,
            self._describe,
            config.checkpoint.keep,
            notify,
            saved_step,
            written=self._history.write,
        )
        opened.callback(self._close_files)
        if resumed is None:
            self.save()
            self.flush()

    @property
    def saved_step(self) -> int:
        """The step of the newest checkpoint that is written; -1 before the first."""
        return self._writer.saved_step

    @property
    def weights(self) -> Weights:
        """The current weights."""
        return self._outer.weights

    @property
    def theta_sha256(self) -> str:
        """The sha256 of the current theta."""
        return sha256(self._outer.state().theta)

    def steps(self) -> Iterator[Progress]:
        """Train to the end; yield after each step, once its validation and saving are done."""
        config, launch = self._config, self.launch
        pending: list[Progress] = []  # steps of a call that is not reported to its end
        due = partial(steps_until_due, config)
        for report in meta_train(config, launch.family, launch.pool, self._outer, due):
            self._writer.check()
            row = {
                "step": report.step,
                **report.metrics,
                "tasks_per_s": report.tasks / report.seconds,
                "seconds": report.seconds,
                "skipped_tasks": report.skipped_tasks,
                **vars(launch.pool.incidents),
            }
            self._metrics.append(report, launch.pool, self._writer.durations_s())
            validation: dict[str, Any] = {}
            if is_validated(config, report.step):
                with self._stop.at_once():  # it may take longer than a cluster waits
                    validation = validate(config, launch.family, launch.pool, self._outer.weights)
                scores = validation["scores"]
                row |= {f"validation_{name}": score for name, score in scores.items()}
            with self._explaining("metrics.jsonl"):
                self._log.append(row)
                self._tensorboard.append(row)
            self._logged_step, self._validation = report.step, validation
            if not report.settled:
                pending.append(Progress(report, row))
                continue
            # A step whose validation fails is not complete, nor is one with only some of its
            # updates: then the step before it is saved.
            self._last_complete = self._outer.state() if self._keeps(report.step) else None
            saved = ""
            if self._validation or report.step % config.checkpoint.every == 0:
                saved = self.save()
            yield from pending
            pending.clear()
            yield Progress(report, row, self._validation, saved)

    def save(self) -> str:
        """Queue the last complete step to be written, unless it is queued already.

        Another thread writes it: `flush` waits for that. A step is complete once it is validated,
        if that is due, and logged. An interrupt or an error in between makes a resume repeat it.

        Returns:
          the checkpoint's name, "" if there is nothing to write.

        Raises:
          CheckpointError: an earlier checkpoint could not be written.
        """
        if self._logged_step == self._snapshot_step:
            return ""
        complete = self._outer.step == self._logged_step
        state = self._outer.state() if complete else self._last_complete
        if state is None:
            return ""
        self._history.note(state.step, self.launch.pool.places())
        self._writer.submit(Snapshot(state, self._validation))
        self._snapshot_step = state.step
        return checkpoint.name_of(state.step)

    def flush(self) -> None:
        """Wait until what was saved is written durably.

        Raises:
          CheckpointError: it cannot be written.
        """
        self._writer.flush()

    def test(self, **protocol: Any) -> Result:
        """Evaluate the best validated checkpoint on the test tasks.

        Writes evaluation.json, the scores of single tasks to tasks.parquet, and the losses of
        validation tasks' support sets to support_losses.json.

        Args:
          protocol: further rows of the protocol.
        """
        self.flush()
        result = evaluate_best(self._config, self.storage, self.launch, with_support=True)
        result.protocol.update(protocol)
        with self._explaining(EVALUATION_FILE):
            self.storage.write(EVALUATION_FILE, result.to_json().encode())
            result.tasks.write(self.storage)
            if result.support:
                result.support.write(self.storage)
        return result

    def draw(self, result: Result) -> str:
        """Write the family's pictures of the tested weights; return the name of the main one."""
        from orchestrator.reporting.page import by_size
        from orchestrator.reporting.page.inner_steps import png_of_each_metric
        from orchestrator.reporting.pictures.render import render

        state, _ = checkpoint.load(self.storage, result.checkpoint)
        config, launch = self._config, self.launch
        recipe = recipe_at(config, result.protocol.get("inner_lr", config.algorithm.inner_lr))
        pictures = render(config, launch.family, launch.pool, state.weights, recipe)
        by_step = png_of_each_metric(result.per_step, result.measured, result.unit)
        images = {"tasks": pictures.png, **by_step}
        with self._explaining("picture.png"):
            images |= by_size.write(result, self.storage)
            self._tensorboard.append_images(state.step, images)
            if text := "\n\n".join(result.warnings):
                self._tensorboard.append_text(state.step, "warnings", text)
            return pictures.write(self.storage)

    def report(self) -> str:
        """Write the run's page after `test` and `draw`; return its name."""
        from orchestrator.reporting.page.page import write_page

        self.flush()
        with self._explaining("report.html"):
            self._log.commit(self._logged_step)
            self._history.end("finished")
            self._history.write()
            return write_page(self.storage)

    def leave(self, why: str) -> None:
        """Note why the run is closed before its end, for history.json."""
        self._history.end(why)

    def close(self) -> None:
        """Write what was saved, and close the logs and the pool."""
        try:
            self._close_files()
        finally:
            self.launch.close()

    def _keeps(self, step: int) -> bool:
        return is_validated(self._config, step + 1) or self._config.outer.epochs > 1

    def _close_files(self) -> None:
        self._writer.close()
        self._history.close()
        self._log.close()
        self._tensorboard.close()

    def _describe(self, snapshot: Snapshot) -> checkpoint.Manifest:
        if not self.storage.exists("config.toml"):
            raise CheckpointError(
                f"{self.storage.location} is no longer the run's folder: config.toml is gone; put "
                "the folder back and continue with --resume, or start again"
            )
        return checkpoint.Manifest(
            step=snapshot.state.step,
            theta_sha256=sha256(snapshot.state.theta),
            config=json.loads(self._config.model_dump_json()),
            bits=self._config.bits(),
            bits_sha256=self._config.bits_hash(),
            fingerprint=self.launch.fingerprint,
            validation=encoded(snapshot.validation),
            examples=user_task_shapes(self.launch.family).model_dump(mode="json"),
            protocol=protocol_of(self._config, self.launch, snapshot.validation),
        )

    def _explaining(self, what: str) -> AbstractContextManager[None]:
        return explaining(self.storage, what, self.saved_step)
