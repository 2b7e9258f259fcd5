"""Gymnasium faces of a simulation: one environment, many at once, and pictures of either."""
