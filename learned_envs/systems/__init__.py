"""Real MuJoCo systems of our own, beside Gymnasium's."""
