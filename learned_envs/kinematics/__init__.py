"""Geometry of a system: where its bodies and contact points are, arithmetic on its q, inertia."""

from learned_envs.kinematics.contact import Contacts
from learned_envs.kinematics.inertia import Inertia
from learned_envs.kinematics.kinematics import Kinematics, Poses

__all__ = ["Contacts", "Inertia", "Kinematics", "Poses"]
