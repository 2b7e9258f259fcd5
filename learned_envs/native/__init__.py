"""C++ code derived from traced torch functions, for a CPU."""

from learned_envs.native.program import NativeProgram, NativeRow

__all__ = ["NativeProgram", "NativeRow"]
