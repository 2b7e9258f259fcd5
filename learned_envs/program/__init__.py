"""Numpy code derived from traced torch functions, for batches of one."""

from learned_envs.program.program import Program
from learned_envs.program.writer import array_of

__all__ = ["Program", "array_of"]
