"""An episode of a test task before and after adaptation, filmed where the environment can draw.

It is drawn in a process of its own: a renderer that fails, crashes or hangs costs its film alone.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from orchestrator.config.schema import MetaConfig
from workers.tasks.environments.family import EnvironmentFamily
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Recipe, Specs, Weights

_LIMIT_S = 120.0
_SEED = 0
_MODE = "rgb_array"
# Ours before whatever is called so where the run was started.
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    "from orchestrator.reporting.pictures.film_child import main; main()"
)


@dataclass(frozen=True, slots=True)
class Film:
    """webp: animated; b"" where there is none: `missing` says why in one line."""

    webp: bytes = b""
    missing: str = ""


class Filmed(EnvironmentFamily, Protocol):
    """A family of environments that may be able to draw."""

    def make(self, specs: Specs, task: int, **extra: Any) -> Any:
        """Make an environment of a task, with gymnasium's interface.

        Args:
          extra: further arguments of its constructor, such as render_mode.
        """


def is_filmed(family: TaskFamily, config: MetaConfig) -> TypeGuard[Filmed]:
    """Tell whether there is something to film."""
    return config.task.films


def shoot(
    config: MetaConfig, family: Filmed, weights: Weights, recipe: Recipe, specs: Specs
) -> Film:
    """Film the first task of `specs`; never raises what the environment or its renderer does."""
    try:
        return _shoot(config, family, weights, recipe, specs)
    except subprocess.TimeoutExpired:
        return Film(missing=f"drawing took more than {_LIMIT_S:g} s")
    except Exception as error:  # whatever an environment raises
        return Film(missing=_line(f"{type(error).__name__}: {error}"))


def _shoot(
    config: MetaConfig, family: Filmed, weights: Weights, recipe: Recipe, specs: Specs
) -> Film:
    modes = (getattr(family.make(specs, 0), "metadata", None) or {}).get("render_modes", [])
    if _MODE not in modes:
        has = ", ".join(map(str, modes)) or "none"
        name = family.protocol("test")["tasks_from"]
        return Film(missing=f"{name} has no render mode {_MODE!r} (it has {has})")
    last = max(config.evaluation.inner_steps)
    takes = [
        {"caption": caption, "actions": _actions(config, family, weights, each, specs)}
        for caption, each in (
            ("before", replace(recipe, inner_steps=0)),
            (f"after {last} step{'s' if last > 1 else ''}", replace(recipe, inner_steps=last)),
        )
    ]
    script = {
        "task": json.loads(config.task.model_dump_json()),
        "specs": {name: values[:1].tolist() for name, values in specs.items()},
        "seed": _SEED,
        "takes": takes,
    }
    return _drawn(script)


def _actions(
    config: MetaConfig, family: Filmed, weights: Weights, recipe: Recipe, specs: Specs
) -> list[list[float]]:
    """Of one episode, as the policy gives them; it begins alike whatever the policy."""
    from workers.policies.adapted import AdaptedPolicy

    first = {name: values[:1] for name, values in specs.items()}
    # Compiling takes longer than a few episodes do.
    plain = config.worker.runtime.model_copy(update={"xla": False})
    settings = config.worker.model_copy(update={"runtime": plain})
    policy = AdaptedPolicy(settings, family, first, weights, replace(recipe, queries=1))
    return policy.play(family.make(specs, 0), family.horizon, _SEED)


def _drawn(script: dict[str, Any]) -> Film:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "episode.webp")
        found = subprocess.run(
            [sys.executable, "-c", _CHILD, str(Path(__file__).parents[3]), str(file)],
            input=json.dumps(script),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_LIMIT_S,
            env=_without_screen(os.environ),
        )
        if found.returncode or not file.is_file():
            said = found.stderr.strip().splitlines()
            return Film(missing=_line(said[-1] if said else f"it ended with {found.returncode}"))
        return Film(file.read_bytes())


def _without_screen(env: Mapping[str, str]) -> dict[str, str]:
    """MuJoCo looks for a screen unless it is told otherwise."""
    return {**({} if env.get("DISPLAY") else {"MUJOCO_GL": "egl"}), **env}


def _line(text: str) -> str:
    told = " ".join(text.split())[:300]
    return f"{told}; pip install 'metatrain[animation]'" if "pygame" in told else told
