"""Traced torch functions as numpy and C++ code."""
