"""support_losses.json: the losses of validation tasks' support sets, with which others compare."""

from dataclasses import dataclass

import numpy as np

from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import dumps, loads

SUPPORT_LOSSES_FILE = "support_losses.json"


@dataclass(frozen=True, slots=True)
class SupportLosses:
    """The losses of validation tasks' support sets, finite, before and after adaptation.

    theta_sha256: of the weights that adapted.
    losses: [tasks][2].
    """

    theta_sha256: str
    losses: list[list[float]]

    def write(self, storage: Storage) -> None:
        """Write support_losses.json."""
        table = {"theta_sha256": self.theta_sha256, "losses": self.losses}
        storage.write(SUPPORT_LOSSES_FILE, dumps(table).encode())


def read_support_losses(storage: Storage, theta_sha256: str) -> list[list[float]]:
    """Read the losses that were written for these weights, [tasks][2]; [] if there are none.

    A file that is damaged counts as none: it does not keep anybody from adapting.
    """
    if not storage.exists(SUPPORT_LOSSES_FILE):
        return []
    try:
        table = loads(storage.read(SUPPORT_LOSSES_FILE))
        losses = np.asarray(table["losses"], np.float64)
        own = table["theta_sha256"] == theta_sha256
    except (ValueError, KeyError, TypeError):
        return []
    if not own or losses.ndim != 2 or losses.shape[1] != 2 or not np.isfinite(losses).all():
        return []
    rows: list[list[float]] = losses.tolist()
    return rows
