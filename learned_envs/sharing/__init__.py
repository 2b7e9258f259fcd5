"""Models that travel: packed into one file, or pushed to the Hugging Face Hub."""

from learned_envs.sharing.pack import pack
from learned_envs.sharing.push import Pushed, push

__all__ = ["Pushed", "pack", "push"]
