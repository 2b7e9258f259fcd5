"""Marks that several test folders share."""

import ctypes
import os
import shutil

import pytest


def _gl_is_there() -> bool:
    if "MUJOCO_GL" in os.environ:
        return True
    try:
        ctypes.CDLL("libEGL.so.1")
    except OSError:
        return False
    return True


needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None, reason="needs a C++ compiler"
)
needs_gl = pytest.mark.skipif(not _gl_is_there(), reason="needs libEGL: apt install libegl1")
