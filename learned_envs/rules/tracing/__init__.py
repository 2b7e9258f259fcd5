"""Runs an environment's own code on arrays that write down what is done with them."""
