"""C++ code derived from traced torch functions, for a CPU."""

from learned_envs.codegen.cpp.function import CppBatch, CppRow, written

__all__ = ["CppBatch", "CppRow", "written"]
