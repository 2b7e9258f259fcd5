"""The device that a name stands for."""

from __future__ import annotations

import torch

from learned_envs.errors import DeviceError


def find_device(name: str | torch.device | None) -> torch.device:
    """Return the device called `name`. For None it is the GPU if there is one, else the CPU.

    Raises:
        DeviceError: if this machine has no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device).tolist()
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        raise DeviceError(
            f"Device {str(name)[:80]!r} is not available here ({str(error).splitlines()[0]}). "
            "Use device='cpu'."
        ) from error
    return device
