"""From real MuJoCo to a model: collect, train, evaluate."""
