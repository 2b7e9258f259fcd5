"""Legs of whose step not all can be traced."""

from leg import LEG

PARTIAL = (
    LEG.replace('"Leg-v0"', '"WholeLeg-v0"')
    + '''

class Halving(Leg):
    """Counts in step() itself how often something has to be halved. Remembers nothing."""

    def step(self, action):
        self.data.ctrl[:] = np.clip(action, -1, 1)
        mujoco.mj_step(self.model, self.data, nstep=4)
        height, halved = abs(self.data.qpos[1]), 0
        while height > 1e-6:
            height, halved = height / 2, halved + 1
        return self._get_obs(), 0.1 * halved, halved > 17, False, {}


class Native(Leg):
    """Pays by a method for the forces of contacts, which only MuJoCo's own code knows."""

    def contact_cost(self):
        force, total = np.zeros(6), 0.0
        for index in range(self.data.ncon):
            mujoco.mj_contactForce(self.model, self.data, index, force)
            total += abs(force[0])
        return 0.1 * total

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward - self.contact_cost(), terminated, truncated, info


class Written(Leg):
    """Shows numbers as they are written, to three places."""

    def _get_obs(self):
        places = [float(format(x, ".3f")) for x in self.data.qpos]
        return np.concatenate([places, self.data.qvel, [self.goal], np.zeros(2)]).astype(np.float32)


for name in ("Halving", "Native", "Written"):
    gym.register(f"{name}Leg-v0", entry_point=f"{__name__}:{name}", max_episode_steps=60)
'''
)
