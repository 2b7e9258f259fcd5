"""Real systems: what a model may know of one, how one is asked, and pendulums of our own."""
