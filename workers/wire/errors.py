"""Errors of a run. Each survives pickling: it has one message and no further arguments."""


class MetatrainError(Exception):
    """The base class of errors that are not in the user's input. The command line exits with 1."""


class NonFiniteError(MetatrainError):
    """An error for a loss, a gradient or a weight that became inf or nan."""


class TaskError(MetatrainError):
    """An error for a model or task family that raised on a task.

    The first line of the message is complete, with the task's spec and seed; the traceback follows.
    """


class DataError(MetatrainError, ValueError):
    """An error for a data source that cannot be read. The command line exits with 2."""


class SourceError(DataError):
    """An error for a data source, or a column of it, that does not exist."""


class FingerprintError(MetatrainError):
    """An error for an actor that would not compute the same bits as the driver."""


class PoolError(MetatrainError):
    """An error for blocks that cannot be run: actors keep dying, or user code failed twice."""


class PartLostError(MetatrainError):
    """An error for a part of a sum that did not arrive. The message begins with its number."""

    @property
    def number(self) -> int:
        """The part's place in the sum, from 0."""
        return int(str(self).partition(":")[0])


class CheckpointError(MetatrainError):
    """An error for a checkpoint that is missing or does not verify."""


class ClusterError(MetatrainError):
    """An error for a cluster's dashboard that does not answer, refuses, or has lost a job."""
