"""Two more things to ask of Gymnasium's Ant, as a user of Gymnasium would write them.

gymnasium.make("ant:AntTurning-v0") from this folder, which imports this file and so registers them.
"""

import gymnasium as gym
from gymnasium.envs.mujoco.ant_v5 import AntEnv


class AntTurningEnv(AntEnv):
    """The Ant is paid for turning to the left, and the faster the more.

    All is as in Ant-v5, but in place of the forward velocity stands the rate at which the torso
    turns about its own upright axis, in rad/s.
    """

    def _get_rew(self, x_velocity, action):
        return super()._get_rew(self.data.qvel[5], action)


class AntSidewaysEnv(AntEnv):
    """The Ant is paid for running to its left, and the faster the more.

    All is as in Ant-v5, but in place of the velocity along x stands that along y, in m/s.
    """

    def step(self, action):
        """Step as Ant-v5 does, and pay for the other direction."""
        observation, reward, terminated, truncated, info = super().step(action)
        sideways = self._forward_reward_weight * info["y_velocity"]
        reward += sideways - info["reward_forward"]
        info["reward_forward"] = sideways
        return observation, reward, terminated, truncated, info


gym.register(id="AntTurning-v0", entry_point=AntTurningEnv, max_episode_steps=1000)
gym.register(id="AntSideways-v0", entry_point=AntSidewaysEnv, max_episode_steps=1000)
