"""How each peer is run: what was worth a trial. The best of a peer's is measured against ours.

Tried and left out: JAX's own convolutions (`lax.conv_general_dilated`), 13 times slower than
patches in a loop over tasks; threads in one process for sinusoids, measured on one core.
"""

import importlib
import importlib.util
from typing import NamedTuple

from processes import Work

from peers.problem import Problem

#: framework -> what to install
INSTALL = {"torch": "pip install torch==2.13.0", "jax": "pip install jax"}


class Arrangement(NamedTuple):
    """A row of the table is a peer; the fastest of its arrangements stands for it.

    module: of this package. style: see that module's `make`. processes: that share the tasks,
    each pinned to one core and of one thread; with one and `threads` above 1, not pinned.
    """

    peer: str
    module: str
    style: str
    processes: int = 1
    threads: int = 1

    @property
    def framework(self) -> str:
        """What must be installed."""
        return self.module.partition("_")[0]

    def describe(self) -> str:
        """For a table: style; processes x threads."""
        return f"{self.style}; {self.processes} x {self.threads}"


def arrangements(model: str, algorithm: str, processes: int) -> list[Arrangement]:
    """All that is tried for a job whose own side runs on so many single-thread processes."""
    if model == "mlp":
        return [
            Arrangement("PyTorch loop", "torch_loop", "channels first"),
            Arrangement("torch.func vmap", "torch_vmap", "vmap of grad"),
            Arrangement("torch.func vmap", "torch_vmap", "grad of vmap"),
            Arrangement("torch.compile of vmap", "torch_vmap", "compiled"),
            Arrangement("JAX, arrays ready", "jax_vmap", "vmap"),
            Arrangement("JAX, arrays ready", "jax_vmap", "grad-vmap"),
            Arrangement("JAX, from specs", "jax_vmap", "vmap specs"),
            Arrangement("JAX, from specs", "jax_vmap", "grad-vmap specs"),
        ]
    if model == "transformer":
        return [
            *(
                Arrangement("PyTorch loop", "torch_loop", style, processes)
                for style in ("native", "written out")
            ),
            Arrangement("PyTorch loop", "torch_loop", "native", 1, processes),
        ]
    if model == "text":
        return [
            Arrangement("PyTorch loop", "torch_loop", "native", processes),
            Arrangement("PyTorch loop", "torch_loop", "native", 1, processes),
        ]
    over_tasks = ["vmap of grad"] + ["grad of vmap"] * (algorithm == "maml")
    return [
        *(
            Arrangement("PyTorch loop", "torch_loop", style, processes)
            for style in ("channels first", "channels last")
        ),
        Arrangement("PyTorch loop", "torch_loop", "channels first", 1, processes),
        *(Arrangement("torch.func vmap", "torch_vmap", style, processes) for style in over_tasks),
        *(
            Arrangement("JAX", "jax_vmap", style, processes)
            for style in ("scan patches", "vmap patches")
        ),
        Arrangement("JAX", "jax_vmap", "scan patches", 1, processes),
    ]


def missing(framework: str) -> bool:
    """Whether a framework is not installed."""
    return importlib.util.find_spec(framework) is None


def make(arrangement: Arrangement, problem: Problem) -> Work:
    """In a process of its own: import the peer, compile, and answer with the check."""
    module = importlib.import_module(f"peers.{arrangement.module}")
    return module.make(problem, arrangement.threads, arrangement.style)
