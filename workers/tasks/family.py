"""The interface of a task family."""

from collections.abc import Sequence
from typing import Any, Protocol

from workers.losses.registry import loss_of
from workers.metrics import LossName
from workers.settings.section import Size
from workers.tasks.display_text import DisplayText
from workers.tasks.sizes import described
from workers.wire.protocol import Array, Draw, Episode, Specs, Split


def ways_of(family: "TaskFamily") -> int:
    """Return the number of classes of a task; 1 if its tasks have none."""
    return family.num_outputs if loss_of(family).classifies else 1


def notes_of(family: "TaskFamily") -> list[str]:
    """Return what users should know of the family's data before they train on them."""
    notes = getattr(family, "notes", None)
    return [] if notes is None else list(notes())


def digests_of(family: "TaskFamily") -> dict[str, str]:
    """Return name -> sha256 of what its tasks depend on beside their data, for fingerprints."""
    return dict(getattr(family, "digests", {}))


def raw_family(family: "TaskFamily") -> "TaskFamily":
    """Return the family whose inputs are a user's examples as they are prepared.

    That is another one if the model gets a backbone's features of them.
    """
    raw: TaskFamily = getattr(family, "raw", family)
    return raw


def features_of(family: "TaskFamily", *inputs: Array) -> tuple[Array, ...]:
    """Return what the model gets of a user's examples: their features, if it has a backbone."""
    features = getattr(family, "features", None)
    return inputs if features is None else tuple(features(each) for each in inputs)


def support_examples(family: "TaskFamily", shots: int, queries: Size) -> int:
    """Return the number of support examples of a task: `shots` of each class, or what it says."""
    sizes = getattr(family, "sizes", None)
    return shots * ways_of(family) if sizes is None else int(sizes(shots, queries)[0].number)


def stated_sizes(family: "TaskFamily", shots: Size, queries: Size) -> tuple[int | str, int | str]:
    """Return what a protocol says of shots and queries: those asked for, or what it says."""
    sizes = getattr(family, "sizes", None)
    if sizes is None:
        return described(shots), described(queries)
    support, query = sizes(shots, queries)
    return support.stated, query.stated


def held_out_ways(family: "TaskFamily", ways: Size) -> list[Size]:
    """Return the ranges of classes of test tasks, equally many of each: `ways`, or what it says."""
    own = getattr(family, "held_out_ways", None)
    return [ways] if own is None else list(own("test", ways))


def domains_of(family: "TaskFamily", specs: Specs) -> list[str]:
    """Name the domain of each task, where scores are to be told by domain; else [].

    A domain is a data set that all classes of a task are of.
    """
    own = getattr(family, "domains", None)
    names = [] if own is None else list(own(specs))
    return names if any(names) else []


class TaskFamily(Protocol):
    """A distribution over learning tasks, in two halves: small specs, then arrays.

    A new family extends it and defines loss, picture, input_shape, num_outputs, `sample` and
    `build`. It may define `notes() -> list[str]`, see `notes_of`; `loss_settings`, with which the
    loss is made, see `choose_loss`; `sizes(shots, queries)` if its tasks have other numbers of
    examples than that of each class, see `stated_sizes`; and `domains(specs)` and `held_out_ways`
    if each task is of one of several data sets, see `domains_of`.

    loss: the name of a loss in `workers/losses`, or "module:function".
    picture: the name of a picture in `orchestrator/reporting/pictures`; "" for none.
    digest: sha256 of the data and its split; "" if the data are generated.
    input_shape: the shape of one example.
    num_outputs: outputs of the model.
    num_train_classes: outputs of `joint`'s head; None if it needs no head of its own.
    num_tokens: inputs are ids from 0 to num_tokens - 1; None if they are numbers.
    """

    loss: LossName
    picture: str
    digest: str = ""
    input_shape: tuple[int, ...]
    num_outputs: int
    num_train_classes: int | None = None
    num_tokens: int | None = None

    @property
    def preparation(self) -> dict[str, Any]:
        """The JSON table that turns a user's examples into inputs; stored in checkpoints."""
        return {}

    def sample(self, draw: Draw, lo: int, hi: int, shots: Any, queries: Any) -> Specs:
        """Draw the tasks lo to hi - 1.

        Task i depends on `draw` and i alone: not on lo, hi or the machine.

        Args:
          shots, queries: numbers; or ranges, where the record `takes_ranges`. See
            `workers.tasks.sizes` for the arrays of these.
        """
        ...

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make the arrays, [tasks, ...].

        Args:
          global_labels: targets are indices of training classes instead of 0 .. ways - 1.
        """
        ...

    def showcase(self, specs: Specs) -> Specs:
        """Return the same tasks with the queries that the family's picture shows."""
        return specs

    def names(self, specs: Specs) -> list[str]:
        """Name each task, for tables of scores; "" for a task without a name."""
        return [""] * len(next(iter(specs.values())))

    def display_text(self, specs: Specs) -> Sequence[DisplayText]:
        """Return the text that each task shows to people; () if its tasks have none."""
        return ()

    def describe(self) -> dict[str, Any]:
        """Describe the source of the tasks, for `metatrain data`."""
        return {"source": "generated", **self.protocol("train")}

    def protocol(self, split: Split) -> dict[str, Any]:
        """Return the facts that must accompany a number measured on these tasks."""
        return {"tasks_from": type(self).__name__}
