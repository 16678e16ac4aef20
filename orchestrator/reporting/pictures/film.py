"""Films of an episode of a test task, before and after adaptation, if the environment can draw.

They are drawn in a separate process: a renderer that fails, crashes or hangs costs only the film.
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
# metatrain's own modules come before any of the same name in the working directory.
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv.pop(1));"
    "from orchestrator.reporting.pictures.film_child import main; main()"
)


@dataclass(frozen=True, slots=True)
class Film:
    """A film of episodes.

    webp: animated WebP; b"" if there is none.
    missing: why there is none, in one line.
    """

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
    """Return whether the run's environments can be filmed."""
    return config.task.films


def shoot(
    config: MetaConfig, family: Filmed, weights: Weights, recipe: Recipe, specs: Specs
) -> Film:
    """Film the first task of `specs`; errors of the environment or its renderer are not raised."""
    try:
        return _shoot(config, family, weights, recipe, specs)
    except subprocess.TimeoutExpired:
        return Film(missing=f"drawing took more than {_LIMIT_S:g} s")
    except Exception as error:  # any error of the environment
        return Film(missing=_line(f"{type(error).__name__}: {error}"))


def _shoot(
    config: MetaConfig, family: Filmed, weights: Weights, recipe: Recipe, specs: Specs
) -> Film:
    if config.algorithm.num_episodes:
        return Film(missing="a policy that keeps its state over episodes is not filmed")
    modes = (getattr(family.make(specs, 0), "metadata", None) or {}).get("render_modes", [])
    if _MODE not in modes:
        has = ", ".join(map(str, modes)) or "none"
        name = family.protocol("test")["tasks_from"]
        return Film(missing=f"{name} has no render mode {_MODE!r} (it has {has})")
    last = max(config.evaluation.inner_steps)
    takes = [
        {"caption": caption, "actions": _actions(config, family, weights, shown, specs)}
        for caption, shown in (
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
    """Return the policy's actions in one episode, whose start is the same for every policy."""
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
        process = subprocess.run(
            [sys.executable, "-c", _CHILD, str(Path(__file__).parents[3]), str(file)],
            input=json.dumps(script),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_LIMIT_S,
            env=_without_screen(os.environ),
        )
        if process.returncode or not file.is_file():
            errors = process.stderr.strip().splitlines()
            code = f"the process exited with {process.returncode}"
            return Film(missing=_line(errors[-1] if errors else code))
        return Film(file.read_bytes())


def _without_screen(env: Mapping[str, str]) -> dict[str, str]:
    """Set MuJoCo's renderer without a screen, which it looks for by default."""
    return {**({} if env.get("DISPLAY") else {"MUJOCO_GL": "egl"}), **env}


def _line(text: str) -> str:
    line = " ".join(text.split())[:300]
    return f"{line}; pip install 'metatrain[animation]'" if "pygame" in line else line
