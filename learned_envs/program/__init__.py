"""Numpy code derived from traced torch functions, for batches of one."""

from learned_envs.program.program import Program

__all__ = ["Program"]
