"""C++ code derived from traced torch functions, for large batches on a CPU."""

from learned_envs.native.program import NativeProgram

__all__ = ["NativeProgram"]
