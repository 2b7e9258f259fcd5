"""Real systems: what a model may know of one, how to ask one, and our own pendulums."""
