"""Geometry of a system: where its bodies and contact points are, arithmetic on its q, inertia.

`Derived` computes what MuJoCo derives of a state, and `Activation` what its actuators remember.
"""

from learned_envs.kinematics.activation import Activation
from learned_envs.kinematics.contact import Contacts
from learned_envs.kinematics.derived import Derived
from learned_envs.kinematics.inertia import Inertia
from learned_envs.kinematics.kinematics import Kinematics, Poses

__all__ = ["Activation", "Contacts", "Derived", "Inertia", "Kinematics", "Poses"]
