"""Numpy code derived from traced torch functions, for batches of one."""

from learned_envs.codegen.numpy_code.function import NumpyFunction
from learned_envs.codegen.numpy_code.writer import array_of

__all__ = ["NumpyFunction", "array_of"]
