"""Adapting and predicting by LiteRT's interpreter."""

from typing import Any

import numpy as np

from orchestrator.adaptation.litert.litert_run import LiteRTRun
from orchestrator.adaptation.user_tasks import UserTask
from workers.execution import runtime
from workers.export.signatures import ADAPT_BY_STEP, PREDICT, SCORE
from workers.losses.registry import loss_of
from workers.losses.scoring import Scorer, Scores
from workers.wire.protocol import Array

_INSTALL = "pip install 'metatrain[litert]'"


class LiteRTModel:
    """A run's functions in LiteRT's interpreter."""

    def __init__(self, run: LiteRTRun):
        """Open the interpreter.

        Raises:
          ValueError: the package of the interpreter is not installed, or cannot read the file.
        """
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ValueError(
                f"{run.path} is adapted by ai-edge-litert, which cannot be imported ({error}); "
                f"install it: {_INSTALL}"
            ) from None
        self._run = run
        try:
            with runtime.silent():
                self._interpreter = Interpreter(model_content=run.model)
            self._adapt = self._interpreter.get_signature_runner(ADAPT_BY_STEP)
            self._predict = self._interpreter.get_signature_runner(PREDICT)
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"{run.path}: this version of ai-edge-litert cannot run it "
                f"({' '.join(str(error).split())[:200]}); install the newest: {_INSTALL} --upgrade"
            ) from None

    def states(self, task: UserTask) -> Array:
        """Adapt: the states before and after each inner step, [inner_steps + 1, numbers]."""
        shown = {"support_inputs": np.asarray(task.support_inputs, np.float32)}
        with runtime.silent():  # it says which processor it is for
            states: Array = self._adapt(**shown, support_targets=task.support_targets)["states"]
        return states

    def outputs(self, states: Array, queries: Array) -> Array:
        """Compute the outputs for queries at each state, [states, queries, outputs]."""
        inputs = np.asarray(queries, np.float32)
        parts = [row[None] for row in inputs] if self._run.about.one_by_one else [inputs]
        return np.stack(
            [
                np.concatenate(
                    [self._predict(state=state, query_inputs=part)["outputs"] for part in parts]
                )
                for state in states
            ]
        )

    def scorer(self) -> "LiteRTScorer":
        """Make what scores outputs by the run's loss and metrics, as far as the file can."""
        names = self._run.about.scores
        score = self._interpreter.get_signature_runner(SCORE) if names else None
        return LiteRTScorer(self._run, score)


class LiteRTScorer(Scorer):
    """A scorer whose functions are in a LiteRT file."""

    def __init__(self, run: LiteRTRun, score: Any):
        super().__init__(loss_of(run.examples))
        self._names, self._score = run.about.scores, score

    def score(self, outputs: Array, targets: Array, num_classes: int | None = None) -> Scores:
        """See `Scorer.score`; nothing where the file has no function for it."""
        if self._score is None:
            return {}
        users = self.has_users
        if users and num_classes is not None and num_classes != outputs.shape[-1]:
            return {}  # functions of the user's own take all outputs, the others do not
        own = np.asarray(outputs, np.float32)[..., :num_classes]
        kind = np.int32 if self.loss.classifies else np.float32
        rows = [
            self._score(outputs=step, targets=np.asarray(targets, kind))["scores"] for step in own
        ]
        return dict(zip(self._names, np.array(rows, np.float64).T, strict=True))
