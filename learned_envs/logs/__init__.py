"""Recordings of a robot as its owner keeps them: read, looked at, and turned into states."""
