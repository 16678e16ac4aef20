"""Checkpoints of weights that were never trained. Nothing here imports TensorFlow."""

import numpy as np

from orchestrator.outer.state import MetaState
from orchestrator.records.metrics_log import MetricsLog
from orchestrator.run.checkpoint_writer import CheckpointWriter, Snapshot
from orchestrator.storage import checkpoint
from orchestrator.storage.checkpoint import Manifest
from orchestrator.storage.storage import Storage
from workers.wire.tensors import sha256

FILES = ["theta.arrow", "carry.arrow", "optimizer.arrow", "manifest.json"]


def make_state(step=4):
    rng = np.random.default_rng(step)
    theta = [
        rng.normal(size=(3, 4)).astype(np.float32),
        np.array(rng.normal(), np.float32),
        np.array([np.float32(1e-45), -0.0, 3.4e38], np.float32),
        np.zeros((2, 1, 1, 3), np.float32),
    ]
    optimizer = {
        "adam/iteration": np.array(2**62 + step, np.int64),
        "adam/learning_rate": np.array(0.1, np.float32),
        "adam/theta_momentum": rng.normal(size=19).astype(np.float32),
    }
    carry = {"normalization0/mean": rng.normal(size=(2, 3)).astype(np.float32)}
    return MetaState(step, theta, ["conv 0/kernel", "θ", "a.b[0]", ""], carry, optimizer)


def make_manifest(state, validation=None):
    return Manifest(
        step=state.step,
        theta_sha256=sha256(state.theta),
        config={"name": "a", "outer": {"lr": 0.1}},
        bits={"outer.lr": 0.1, "model.hidden": [40, 40]},
        bits_sha256="0" * 64,
        fingerprint={"threads": [1, 1], "gpus": []},
        validation=validation or {},
    )


def save(storage, step, score=None, sign=1):
    state = make_state(step)
    validation = {} if score is None else {"metric": "accuracy", "score": score, "sign": sign}
    return checkpoint.save(storage, state, make_manifest(state, validation))


def same(one, other):
    return [(a.dtype, a.shape, a.tobytes()) for a in one] == [
        (a.dtype, a.shape, a.tobytes()) for a in other
    ]


def path(name, file):
    return f"checkpoints/{name}/{file}"


def flip(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


class Writing:
    """A writer on a filesystem that can be made to fail, with a row for each step."""

    def __init__(self, location, files, keep=2, first_step=0):
        self.storage = Storage(location, files.filesystem())
        self.storage.claim()
        self.notes = []
        self.log = MetricsLog(self.storage, first_step)
        self.writer = CheckpointWriter(
            self.storage, self.log, self._describe, keep, self.notes.append, first_step or -1
        )

    def submit(self, step, score=None):
        self.log.append({"step": step})
        self.writer.submit(self.snapshot(step, score))

    @staticmethod
    def snapshot(step, score=None):
        validation = {} if score is None else {"metric": "accuracy", "score": score, "sign": 1}
        return Snapshot(make_state(step), validation)

    @staticmethod
    def _describe(given):
        return make_manifest(given.state, given.validation)

    def close(self):
        self.writer.close()
        self.log.close()
        self.storage.release()

    @property
    def steps(self):
        return [int(name[5:]) for name in checkpoint.names(self.storage)]
