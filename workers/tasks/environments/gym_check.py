"""Whether an environment keeps its interface, and plays the same episode from the same seed."""

from typing import Any

import numpy as np

from workers.tasks.environments.spaces import Actions

# An environment that is slow must not keep an actor from starting.
_MOST_STEPS = 500


def check_episodes(
    said: object, environment: Any, actions: Actions, input_shape: tuple[int, ...], horizon: int
) -> None:
    """Play an episode, another, and the first again: `horizon` steps at most, or 500.

    Raises:
      ValueError: it gives what it must not, or the first and the last differ.
    """
    first, _, again = (
        _play(said, environment, actions, input_shape, horizon, seed) for seed in (0, 1, 0)
    )
    alike = (np.array_equal(a, b, equal_nan=True) for a, b in zip(first, again, strict=False))
    if len(first) != len(again) or not all(alike):
        raise ValueError(
            f"{said} plays another episode the second time, from the same seed and with the same "
            "actions: no run could be repeated; draw what is random from self.np_random, which "
            "reset(seed=...) seeds, and keep nothing from one episode to the next"
        )


def _play(
    said: object,
    environment: Any,
    actions: Actions,
    input_shape: tuple[int, ...],
    horizon: int,
    seed: int,
) -> list[Any]:
    """What is seen and rewarded, in order."""
    draw = np.random.default_rng(seed)
    began = _call(said, "reset(seed=...)", lambda: environment.reset(seed=seed))
    if not isinstance(began, tuple) or len(began) != 2:
        raise ValueError(f"{said}: reset gives {_told(began)}, not (observation, info)")
    found = [_seen(said, "reset", began[0], input_shape)]
    for _ in range(min(horizon, _MOST_STEPS)):
        (action,) = actions.given(actions.random(draw, (1,)))
        moved = _call(said, "step(action)", lambda action=action: environment.step(action))
        if not isinstance(moved, tuple) or len(moved) != 5:
            raise ValueError(
                f"{said}: step gives {_told(moved)}, not (observation, reward, terminated, "
                "truncated, info)"
            )
        seen, reward, terminated, truncated, _ = moved
        found += [_seen(said, "step", seen, input_shape), _reward(said, reward)]
        if terminated or truncated:
            break
    return found


def _call(said: object, what: str, call: Any) -> Any:
    try:
        return call()
    except Exception as error:
        raise ValueError(
            f"{said}: {what} raises {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error


def _seen(said: object, where: str, observation: Any, shape: tuple[int, ...]) -> Any:
    if np.shape(observation) != shape:
        raise ValueError(
            f"{said}: {where} shows an observation of shape {list(np.shape(observation))}, its "
            f"observation_space says {list(shape)}"
        )
    return np.array(observation)


def _reward(said: object, reward: Any) -> float:
    try:
        return as_number(reward)
    except (TypeError, ValueError):
        raise ValueError(f"{said}: step gives the reward {_told(reward)}, not a number") from None


def as_number(reward: Any) -> float:
    """A number, or an array of a single one. Raises TypeError or ValueError for anything else."""
    return float(np.asarray(reward, np.float64).reshape(()))


def _told(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) < 60 else f"{text[:57]}..."
