"""A check that an environment keeps gymnasium's interface and repeats an episode from its seed."""

from typing import Any

import numpy as np

from workers.tasks.environments.observations import Observations
from workers.tasks.environments.spaces import Actions

# A slow environment must not delay an actor's start.
_MOST_STEPS = 500
# Letters of a value in an error.
_LONGEST = 60
#: The names in `info` under which environments say whether a step is a success.
_SUCCESS = ("success", "is_success")


def check_episodes(
    label: object, environment: Any, actions: Actions, observations: Observations, horizon: int
) -> bool:
    """Play an episode, another one, and the first again, of at most `horizon` or 500 steps.

    Args:
      label: the name of the environment in errors.
    Returns:
      whether the environment says of a step if it is a success, see `success_of`.
    Raises:
      ValueError: it breaks the interface, or the first and the last episode differ.
    """
    (first, reports), _, (repeat, _) = (
        _play(label, environment, actions, observations, horizon, seed) for seed in (0, 1, 0)
    )
    if difference := _difference(first, repeat):
        raise ValueError(
            f"{label} plays another episode the second time, from the same seed and with the same "
            f"actions: {difference}; so no run could be repeated: draw random numbers from "
            "self.np_random, which reset(seed=...) seeds, and keep nothing from one episode to the "
            "next"
        )
    return reports


def _difference(first: list[Any], repeat: list[Any]) -> str:
    """Say where two episodes begin to differ; "" if they do not.

    Args:
      first, repeat: the observation of reset, then an observation and a reward for each step.
    """
    for place, (one, other) in enumerate(zip(first, repeat, strict=False)):
        if not np.array_equal(one, other, equal_nan=True):
            what = "observation" if place % 2 or not place else "reward"
            where = f"step {(place - 1) // 2}" if place else "reset"
            return f"the {what} of {where} is {_told_apart(one, other)}"
    if len(first) != len(repeat):
        return f"it ends after {len(first) // 2} steps, then after {len(repeat) // 2}"
    return ""


def _told_apart(one: Any, other: Any) -> str:
    """Write two observations or rewards; of long arrays, the first number that differs."""
    texts = _shortened(one), _shortened(other)
    if np.size(one) == 1 or len(texts[0]) < _LONGEST or np.shape(one) != np.shape(other):
        return ", then ".join(texts)
    first, second = np.ravel(one), np.ravel(other)
    place = int(np.argmax(~np.isclose(first, second, rtol=0, atol=0, equal_nan=True)))
    return f"{texts[0]}, of which number {place} is {first[place]}, then {second[place]}"


def _play(
    label: object,
    environment: Any,
    actions: Actions,
    observations: Observations,
    horizon: int,
    seed: int,
) -> tuple[list[Any], bool]:
    """Play an episode with random actions.

    Returns:
      observations and rewards in order, and whether a step says if it is a success.
    """
    draw = np.random.default_rng(seed)
    start = _call(label, "reset(seed=...)", lambda: environment.reset(seed=seed))
    if not isinstance(start, tuple) or len(start) != 2:
        raise ValueError(f"{label}: reset returns {_shortened(start)}, not (observation, info)")
    trace, reports = [_observed(label, "reset", start[0], observations)], False
    for _ in range(min(horizon, _MOST_STEPS)):
        (action,) = actions.environment_actions(actions.random(draw, (1,)))
        result = _call(label, "step(action)", lambda action=action: environment.step(action))
        if not isinstance(result, tuple) or len(result) != 5:
            raise ValueError(
                f"{label}: step returns {_shortened(result)}, not (observation, reward, "
                "terminated, truncated, info)"
            )
        observation, reward, terminated, truncated, info = result
        reports |= _reports_success(label, info)
        trace += [_observed(label, "step", observation, observations), _reward(label, reward)]
        if terminated or truncated:
            break
    return trace, reports


def _call(label: object, what: str, call: Any) -> Any:
    try:
        return call()
    except Exception as error:
        raise ValueError(
            f"{label}: {what} raises {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error


def _observed(label: object, where: str, observation: Any, observations: Observations) -> Any:
    try:
        return np.array(observations.array(observation))
    except ValueError as error:
        raise ValueError(
            f"{label}: {where} returns {error}; its observation_space says otherwise"
        ) from None


def _reward(label: object, reward: Any) -> float:
    try:
        return as_number(reward)
    except (TypeError, ValueError):
        raise ValueError(
            f"{label}: step returns the reward {_shortened(reward)}, not a number"
        ) from None


def _reports_success(label: object, info: Any) -> bool:
    try:
        return success_of(info) is not None
    except (TypeError, ValueError):
        name, value = next((name, info[name]) for name in _SUCCESS if name in info)
        raise ValueError(
            f"{label}: step returns info[{name!r}] = {_shortened(value)}, not true or false"
        ) from None


def success_of(info: Any) -> bool | None:
    """Return whether a step is a success by its `info`; None if that does not say.

    Raises:
      TypeError, ValueError: what it says is no single number or truth value.
    """
    for name in _SUCCESS:
        if isinstance(info, dict) and name in info:
            return as_number(info[name]) > 0
    return None


def as_number(reward: Any) -> float:
    """Convert a number, or an array of a single one, to a float.

    Raises:
      TypeError, ValueError: it is anything else.
    """
    return float(np.asarray(reward, np.float64).reshape(()))


def _shortened(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) < _LONGEST else f"{text[: _LONGEST - 3]}..."
