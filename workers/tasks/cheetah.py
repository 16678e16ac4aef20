"""A cheetah that must run as fast as a goal says (Finn et al. 2017, arXiv:1703.03400, 5.3)."""

from typing import Any

from gymnasium.envs.mujoco.half_cheetah_v5 import HalfCheetahEnv


class HalfCheetahVelocity(HalfCheetahEnv):
    """Gymnasium's, rewarded by minus the distance of its velocity from a goal.

    goal: m/s, forward is positive. What actions cost is subtracted, as in HalfCheetah-v5.
    """

    goal = 1.0

    def _get_rew(self, x_velocity: float, action: Any) -> tuple[float, dict[str, float]]:
        cost = self.control_cost(action)
        off = abs(x_velocity - self.goal)
        return -off - cost, {"reward_velocity": -off, "reward_ctrl": -cost}
