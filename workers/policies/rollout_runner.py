"""The interface of what runs blocks of tasks in environments."""

from typing import Protocol

from workers.inner.losses import Objective
from workers.models.functional import FunctionalModel
from workers.policies.policy_batch import Constants
from workers.settings.registry import named
from workers.settings.worker import ActorSettings
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.protocol import Array, Block, Task


class RolloutRunner(Protocol):
    """Policies that act in the environments of a block's tasks, as their algorithm says."""

    @property
    def num_traces(self) -> int:
        """Graphs that were traced."""

    def gather(self, constants: Constants, block: Block) -> Task:
        """Collect the episodes of training tasks, as the algorithm's outer loss takes them."""

    def run(self, constants: Constants, block: Block) -> dict[str, Array]:
        """Run held-out tasks; see `Block.kind` for the result."""


def make_rollout_runner(
    settings: ActorSettings,
    family: EnvironmentFamily,
    model: FunctionalModel,
    objective: Objective,
) -> RolloutRunner:
    """Make the runner of the algorithm, see `Acting.rollouts`."""
    made: RolloutRunner = named(settings.algorithm.rollouts)(settings, family, model, objective)
    return made
