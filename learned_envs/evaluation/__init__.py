"""How good a simulation is, by itself and beside the real system."""
