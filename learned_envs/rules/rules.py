"""The rules of an environment: what its own code computes from physics, and how exactly."""
