"""Where MuJoCo's derived arrays are after a step."""

from __future__ import annotations

from torch import Tensor

from learned_envs.systems.equipment import Equipment
from learned_envs.systems.spec import SystemSpec


def lagged(
    spec: SystemSpec, equipment: Equipment, q: Tensor, v: Tensor, before: Tensor
) -> tuple[Tensor, Tensor]:
    """TEMPORARY."""
    return q, v
