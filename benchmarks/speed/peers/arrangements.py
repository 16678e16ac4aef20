"""The arrangements in which each peer is tried; its best one is measured against metatrain.

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
    """A way to run a peer; the fastest of a peer's arrangements is its row of the table.

    module: module of this package.
    style: argument of that module's `make`.
    processes: processes that share the tasks, each with one thread and pinned to one core; a
      single one with several `threads` is not pinned.
    """

    peer: str
    module: str
    style: str
    processes: int = 1
    threads: int = 1

    @property
    def framework(self) -> str:
        """Framework that must be installed."""
        return self.module.partition("_")[0]

    def describe(self) -> str:
        """Describe the arrangement for a table: style; processes x threads."""
        return f"{self.style}; {self.processes} x {self.threads}"


def arrangements(model: str, algorithm: str, processes: int) -> list[Arrangement]:
    """List the arrangements for a job with which metatrain runs on `processes` processes."""
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
    if algorithm == "protonet":
        return [
            *(
                Arrangement("PyTorch loop", "torch_loop", style, processes)
                for style in ("channels first", "channels last")
            ),
            Arrangement("PyTorch loop", "torch_loop", "channels first", 1, processes),
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
    """Return whether a framework is not installed."""
    return importlib.util.find_spec(framework) is None


def make(arrangement: Arrangement, problem: Problem) -> Work:
    """Import the peer, compile, and make its work with the check; runs in its own process."""
    module = importlib.import_module(f"peers.{arrangement.module}")
    return module.make(problem, arrangement.threads, arrangement.style)
