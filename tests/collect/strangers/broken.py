"""A module that cannot be imported."""

GAINS = {"hip": 1.0}
KNEE = GAINS["knee"]
