"""What a run can meet. Each error survives pickling: one message, no further arguments."""


class MetatrainError(Exception):
    """The base of all errors that are not the user's input. The command line exits with 1."""


class NonFiniteError(MetatrainError):
    """A loss, a gradient or a weight became inf or nan."""


class TaskError(MetatrainError):
    """The model or the task family raised on a task: its spec, its seed, and the traceback.

    The first line of the message says it all; the traceback follows.
    """


class DataError(MetatrainError, ValueError):
    """A data source that cannot be read as what it should be. The command line exits with 2."""


class SourceError(DataError):
    """A data source, or a column of it, that is named and is not there."""


class FingerprintError(MetatrainError):
    """An actor would not compute the driver's bits."""


class PoolError(MetatrainError):
    """Blocks could not be run: actors kept dying, or user code failed twice on the same block."""


class PartLostError(MetatrainError):
    """A part of a sum did not come from where it is kept. The message begins with its number."""

    @property
    def number(self) -> int:
        """Which part of those that were to be added, from 0."""
        return int(str(self).partition(":")[0])


class CheckpointError(MetatrainError):
    """A checkpoint that is missing or does not verify."""


class ClusterError(MetatrainError):
    """A cluster's dashboard that does not answer, refuses, or has lost a job."""
