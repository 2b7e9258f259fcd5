"""`python -m learned_envs` is `learned-envs`."""

import sys

from learned_envs.cli import main

if __name__ == "__main__":
    sys.exit(main())
