"""Settings of a fit that takes seconds."""

SMALL = [
    *("--steps", "3000", "--learners", "0", "--members", "2", "--updates", "30"),
    *("--check-every", "10", "--batch-size", "32", "--horizons", "2"),
    *("--option", "hidden=[8]", "--device", "cpu", "--no-report"),
]
