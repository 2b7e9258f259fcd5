"""MuJoCo's muscles (https://mujoco.readthedocs.io/en/stable/modeling.html#muscles)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from learned_envs.kinematics.links import double, register_constants
from learned_envs.systems.equipment import Actuator

SMALLEST = 1e-15
"""What MuJoCo never divides by less than."""


class Muscles(nn.Module):
    """Force-length-velocity curves of actuators."""

    force: Tensor
    low: Tensor
    slack: Tensor
    unit: Tensor
    shortest: Tensor
    longest: Tensor
    fastest: Tensor
    passive: Tensor
    eccentric: Tensor

    def __init__(
        self, actuators: Sequence[Actuator], parameters: Sequence[Sequence[float]]
    ) -> None:
        """Lay out muscles.

        Args:
            actuators: n of them.
            parameters: MuJoCo's gainprm or biasprm of each: range (two), force, scale, lmin, lmax,
                vmax, fpmax, fvmax.
        """
        super().__init__()
        rows = []
        for actuator, given in zip(actuators, parameters, strict=True):
            low, high, force, scale, *curve = (*given, *(0.0,) * (9 - len(given)))
            start, end = actuator.length_range
            if force < 0:
                force = scale / max(SMALLEST, actuator.acceleration)
            unit = (end - start) / max(SMALLEST, high - low)
            rows.append((force, low, start, unit, *curve))
        names = ("force", "low", "slack", "unit", "shortest", "longest", "fastest", "passive")
        columns = double(rows).unbind(-1)
        register_constants(self, **dict(zip((*names, "eccentric"), columns, strict=True)))

    def _length(self, length: Tensor) -> Tensor:
        """Return lengths in units of the optimal one."""
        return self.low + (length - self.slack) / self.unit.clamp(min=SMALLEST)

    def gain(self, length: Tensor, velocity: Tensor) -> Tensor:
        """Return the force of full activation, at lengths and velocities (*batch, n)."""
        scaled = self._length(length)
        left, right = 0.5 * (self.shortest + 1), 0.5 * (1 + self.longest)
        rising = (scaled - self.shortest) / (left - self.shortest).clamp(min=SMALLEST)
        before = (1 - scaled) / (1 - left).clamp(min=SMALLEST)
        after = (scaled - 1) / (right - 1).clamp(min=SMALLEST)
        falling = (self.longest - scaled) / (self.longest - right).clamp(min=SMALLEST)
        curve = torch.where(scaled <= right, 1 - 0.5 * after * after, 0.5 * falling * falling)
        curve = torch.where(scaled <= 1, 1 - 0.5 * before * before, curve)
        curve = torch.where(scaled <= left, 0.5 * rising * rising, curve)
        inside = (scaled >= self.shortest) & (scaled <= self.longest)
        curve = torch.where(inside, curve, 0.0)

        speed = velocity / (self.unit * self.fastest).clamp(min=SMALLEST)
        most = self.eccentric - 1
        lengthening = self.eccentric - (most - speed) * (most - speed) / most.clamp(min=SMALLEST)
        drop = torch.where(speed <= most, lengthening, self.eccentric)
        drop = torch.where(speed <= 0, (speed + 1) * (speed + 1), drop)
        drop = torch.where(speed <= -1, 0.0, drop)
        return -self.force * curve * drop

    def bias(self, length: Tensor) -> Tensor:
        """Return the passive force, at lengths (*batch, n)."""
        scaled = self._length(length)
        right = 0.5 * (1 + self.longest)
        width = (right - 1).clamp(min=SMALLEST)
        begun, gone = (scaled - 1) / width, (scaled - right) / width
        curve = torch.where(scaled <= right, 0.5 * begun * begun, 0.5 + gone)
        return -self.force * self.passive * torch.where(scaled <= 1, 0.0, curve)


def muscle_rate(act: Tensor, ctrl: Tensor, rise: Tensor, fall: Tensor, width: Tensor) -> Tensor:
    """Return how fast muscles' activations follow their controls: MuJoCo's mju_muscleDynamics.

    Args:
        act: (*batch, n).
        ctrl: (*batch, n).
        rise: (n) time constants of activation, seconds.
        fall: (n) time constants of deactivation, seconds.
        width: (n) over how much excess control the one goes over into the other; 0 is a switch.
    """
    excess = ctrl.clamp(0.0, 1.0) - act
    slowing = 0.5 + 1.5 * act.clamp(0.0, 1.0)
    rise, fall = rise * slowing, fall / slowing
    x = (excess / width.clamp(min=SMALLEST) + 0.5).clamp(0.0, 1.0)
    smooth = x * x * x * (3 * x * (2 * x - 5) + 10)
    share = torch.where(width < SMALLEST, torch.where(excess > 0, 1.0, 0.0), smooth)
    return excess / (fall + (rise - fall) * share).clamp(min=SMALLEST)
