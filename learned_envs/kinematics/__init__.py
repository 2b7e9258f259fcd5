"""Geometry of a system: where its bodies and contact points are, and arithmetic on its q."""

from learned_envs.kinematics.contact import Contacts
from learned_envs.kinematics.kinematics import Kinematics, Poses

__all__ = ["Contacts", "Kinematics", "Poses"]
