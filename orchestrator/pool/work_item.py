"""Work items, each one call of an actor: run a node of the tree, or add the sums of others."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from workers.wire.protocol import Block

# Sums that are added in one call. Being a power of two it is two levels of the binary tree in one:
# the same bits, with a third of the calls.
_PARTS = 4


@dataclass(frozen=True, eq=False)
class WorkItem:
    """A work item: the contribution of neighbouring blocks below one node of the tree.

    blocks: the blocks.
    parts: work items whose contributions are added; empty if the blocks are run.
    """

    blocks: Sequence[Block]
    parts: tuple["WorkItem", ...] = ()

    @property
    def num_tasks(self) -> int:
        """The number of tasks in all blocks."""
        return self.blocks[-1].hi - self.blocks[0].lo

    @cached_property
    def kind(self) -> Hashable:
        """The kind of work: items of a kind take equally long per `amount`."""
        return "add" if self.parts else kind_of(self.blocks[0])

    @property
    def gathering_kind(self) -> Hashable | None:
        """The kind of gathering the step's episodes, which an actor may lack in later rounds."""
        if self.parts or self.blocks[0].round == "first":
            return None
        return kind_of(replace(self.blocks[0], round="first"))

    @property
    def amount(self) -> int:
        """The amount of work: tasks to run, or parts to add."""
        return len(self.parts) or self.num_tasks

    @cached_property
    def shapes(self) -> list[Hashable]:
        """The shapes of the compiled graphs that it needs."""
        return [] if self.parts else [shape_of(block) for block in self.blocks]

    def __str__(self) -> str:
        first, last = self.blocks[0].lo, self.blocks[-1].hi - 1
        tasks = f"task {first}" if first == last else f"tasks {first} to {last}"
        return f"{'the sum of ' if self.parts else ''}{tasks} of step {self.blocks[0].step}"


def kind_of(block: Block) -> Hashable:
    """Return the kind of a block: blocks of a kind take equally long per task."""
    inner_steps = block.recipe.inner_steps if block.recipe else None
    return block.kind, block.round, block.phase, inner_steps


def shape_of(block: Block) -> Hashable:
    """Return the shape of a block: blocks of a shape share a compiled graph."""
    return kind_of(block), block.hi - block.lo


def leaves(blocks: Sequence[Block], num_actors: int) -> list[WorkItem]:
    """Divide `blocks` among actors, in as few work items as keep the load even.

    Only training blocks are summed; held-out blocks stay single.
    """
    share = -(-len(blocks) // num_actors)
    size = 1
    if blocks[0].kind == "train":
        while share >= 2 * size and -(-len(blocks) // (2 * size * num_actors)) * 2 * size == share:
            size *= 2
    return [WorkItem(blocks[i : i + size]) for i in range(0, len(blocks), size)]


def root_above(leaves: Sequence[WorkItem]) -> WorkItem:
    """Return the work item whose contribution is the sum over all leaves."""
    level = list(leaves)
    while len(level) > 1:
        groups = [level[i : i + _PARTS] for i in range(0, len(level), _PARTS)]
        level = [group[0] if len(group) == 1 else _sum_of(group) for group in groups]
    return level[0]


def _sum_of(parts: Sequence[WorkItem]) -> WorkItem:
    return WorkItem([block for part in parts for block in part.blocks], tuple(parts))
