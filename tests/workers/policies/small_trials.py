"""Small recurrent policies, the trials that they make, and what they must compute, in NumPy."""

from typing import Any

import numpy as np
from small_policies import settings_of

from workers.algorithms.rl2 import Rl2Algorithm
from workers.models.recurrent.gru import GaussianGruModel
from workers.policies.distributions import Gaussian
from workers.policies.trajectory import Trajectory, from_targets
from workers.settings.environments.navigation_task import NavigationTask
from workers.settings.worker import ActorSettings

EPISODES, TRIALS, HORIZON, UNITS = 3, 4, 6, 5
# Factors of what policies see; powers of two lose nothing.
ACTIONS, REWARDS = 2.0, 0.5
STEPS = EPISODES * HORIZON
# Points that soon come near their goals: episodes end at different steps.
TASK = NavigationTask(queries=TRIALS, horizon=HORIZON, max_step=10.0, reached=0.35)


def trial_settings(**changes: Any) -> ActorSettings:
    common = {
        "task": TASK,
        "model": GaussianGruModel(units=UNITS, initial_std=0.3),
        "algorithm": Rl2Algorithm(episodes=EPISODES, action_scale=ACTIONS, reward_scale=REWARDS),
    }
    return settings_of(**{**common, **changes})


def trajectory_of(targets: Any) -> Trajectory:
    """Return the trials of one task as arrays [trials, steps, ...]."""
    parts = from_targets(np.asarray(targets), Gaussian(4), STEPS)
    return Trajectory(*(np.asarray(part) for part in parts))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def gru_step(theta: Any, inputs: Any, state: Any) -> Any:
    """Compute a gated recurrent unit's next state, as Keras defines it; gates: update, reset."""
    kernel, recurrent, (own, of_state) = theta[:3]
    x = np.split(inputs @ kernel + own, 3, axis=-1)
    h = np.split(state @ recurrent + of_state, 3, axis=-1)
    update, reset = sigmoid(x[0] + h[0]), sigmoid(x[1] + h[1])
    return update * state + (1 - update) * np.tanh(x[2] + reset * h[2])


def gaussian_outputs(theta: Any, state: Any) -> Any:
    kernel, bias, log_std = theta[3:]
    mean = state @ kernel + bias
    return np.concatenate([mean, np.broadcast_to(log_std, mean.shape)], axis=-1)


def unrolled(theta: Any, inputs: Any) -> Any:
    """Compute the outputs for trials, [trials, steps, 4]; the state starts at 0."""
    state, outputs = np.zeros((len(inputs), theta[1].shape[0])), []
    for step in range(inputs.shape[1]):
        state = gru_step(theta, inputs[:, step], state)
        outputs.append(gaussian_outputs(theta, state))
    return np.stack(outputs, axis=1)
