"""Acting in real systems, to record what happens."""
