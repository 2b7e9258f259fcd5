"""What an environment pays, shows and ends, as graphs of named operations: data, and not code."""
