"""Who runs what of an outer step: its nodes, and what came back."""

from collections import Counter, deque
from collections.abc import Sequence

from orchestrator.blocks import Node
from orchestrator.roster import Actor, Call
from workers.protocol import Contribution


class Board:
    """The nodes of a step. Keyed by the index of their first block.

    patience: how many times its usual deadline a node may take.
    """

    def __init__(self, nodes: Sequence[Node]):
        self.todo: deque[Node] = deque(nodes)
        self.patience = 1
        self._errors: Counter[int] = Counter()
        self._deaths: Counter[int] = Counter()
        self._num_nodes = len(nodes)
        self._failed_on: dict[int, Actor] = {}
        self._done: dict[int, Contribution] = {}

    @property
    def complete(self) -> bool:
        """Whether every node is done."""
        return len(self._done) == self._num_nodes

    def contributions(self) -> list[Contribution]:
        """In order of index."""
        return [self._done[index] for index in sorted(self._done)]

    def give_back(self, node: Node) -> None:
        """Put a node at the front of the queue, unless it is there or done."""
        done = node[0].index in self._done
        if not done and all(node is not other for other in self.todo):
            self.todo.appendleft(node)

    def fail(self, node: Node, actor: Actor) -> int:
        """A node failed on `actor`: it is for others to try again. How often it has failed."""
        self._errors[node[0].index] += 1
        self._failed_on[node[0].index] = actor
        self.give_back(node)
        return self._errors[node[0].index]

    def count_death(self, node: Node) -> int:
        """An actor died while it ran a node. How many have."""
        self._deaths[node[0].index] += 1
        return self._deaths[node[0].index]

    def wants(self, call: Call) -> bool:
        """Whether the call's answer would be used."""
        return call.wanted and call.node[0].index not in self._done

    def take_back(self, actor: Actor) -> None:
        """An actor that was late has answered: what it still has need not run elsewhere."""
        held = [call.node for call in actor.calls.values()]
        self.todo = deque(n for n in self.todo if all(n is not node for node in held))

    def settle(self, node: Node, contribution: Contribution) -> None:
        """A node is done."""
        self._done[node[0].index] = contribution
        self.todo = deque(other for other in self.todo if other is not node)

    def takers(self, node: Node, actors: Sequence[Actor]) -> list[Actor]:
        """Those of `actors` that may run `node` now.

        Not one that has it already, nor one on which it failed while there are others.
        """
        failed = self._failed_on.get(node[0].index)
        others = any(actor.ready and actor is not failed for actor in actors)
        return [
            actor
            for actor in actors
            if actor.free and not any(call.node is node for call in actor.calls.values())
            if actor is not failed or not others
        ]
