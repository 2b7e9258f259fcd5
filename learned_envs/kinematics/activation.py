"""Activations of actuators: how they follow their controls, as MuJoCo steps them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from learned_envs.errors import ParameterError
from learned_envs.kinematics.links import double, register_constants
from learned_envs.kinematics.muscle import SMALLEST, muscle_rate
from learned_envs.kinematics.table import DrawnConstants
from learned_envs.kinematics.typed import Typed
from learned_envs.systems.equipment import Actuator, Equipment
from learned_envs.systems.spec import SystemSpec
from learned_envs.systems.vector import Vector

UNLIMITED = (-float("inf"), float("inf"))


class Activation:
    """Advances activations exactly: they depend on nothing but themselves and the controls."""

    def __init__(self, spec: SystemSpec, equipment: Equipment) -> None:
        """Collect the actuators that have activations.

        Args:
            spec: the system.
            equipment: its part that is needed for "act".

        Raises:
            ParameterError: if an actuator's activation follows another rule than MuJoCo's
                integrators, filters and muscles, or one that resets draw.
        """
        drawn = DrawnConstants(leaf.name for leaf in spec.leaves)
        drawn.refuse("actuator_dynprm", "actuator_ctrlrange", "actuator_actrange")
        self._rule = Typed(ActivationRule(equipment, spec.timestep, spec.frame_skip))
        self._steps = spec.frame_skip

    def __call__(self, act: Tensor, ctrl: Tensor, steps: int | None = None) -> Tensor:
        """Return the activations after some of the solver's steps.

        Args:
            act: (*batch, na).
            ctrl: (*batch, nu), held constant, as it was handed to the physics.
            steps: of the solver; None are those of one step of the environment.

        Returns:
            (*batch, na).
        """
        return self._rule.like(act).advance(act, ctrl, self._steps if steps is None else steps)


class ActivationRule(nn.Module):
    """The rule that each activation follows.

    Attributes:
        actuator: the actuator that each activation belongs to, (na).
    """

    actuator: Tensor
    drive: Tensor
    leak: Tensor
    gain: Tensor
    low: Tensor
    high: Tensor
    control_low: Tensor
    control_high: Tensor
    muscle: Tensor
    rise: Tensor
    fall: Tensor
    width: Tensor
    kept: Tensor
    taken: Tensor

    def __init__(self, equipment: Equipment, timestep: float, steps: int = 1) -> None:
        """Collect what activations follow.

        Args:
            equipment: what is mounted on a system.
            timestep: the solver's, seconds.
            steps: of the solver, which are taken at once where that can be.

        Raises:
            ParameterError: if an activation follows another rule.
        """
        super().__init__()
        self._timestep, self._rk4 = timestep, equipment.integrator == "RK4"
        self._acts = equipment.actuated
        owned = [
            (actuator.activation, index, actuator)
            for index, actuator in enumerate(equipment.actuators)
            if actuator and actuator.activation >= 0
        ]
        owned.sort(key=lambda each: each[0])
        actuators = [actuator for _, _, actuator in owned]
        for actuator in actuators:
            if actuator.dynamics in ("none", "other"):
                raise ParameterError(
                    f"Got actuator {actuator.name!r} whose activation follows a rule of its own, "
                    "expected dyntype integrator, filter, filterexact or muscle, one activation "
                    "and no delay. Use one of these in the MJCF."
                )
        drive, leak, gain, muscle = [], [], [], []
        for actuator in actuators:
            tau = max(SMALLEST, _parameter(actuator, 0))
            filters = actuator.dynamics in ("filter", "filter_exact")
            acts = 0.0 if actuator.disabled else 1.0
            drive.append(acts * {"integrator": 1.0, "muscle": 0.0}.get(actuator.dynamics, 1 / tau))
            leak.append(acts / tau if filters else 0.0)
            exact = actuator.dynamics == "filter_exact"
            gain.append(tau * -float(torch.expm1(double(-timestep / tau))) if exact else timestep)
            muscle.append(acts * float(actuator.dynamics == "muscle"))
        control = [bounds(equipment, actuator) for actuator in actuators]
        limits = [actuator.activation_range or UNLIMITED for actuator in actuators]
        self._muscles = any(muscle)
        register_constants(
            self,
            actuator=torch.tensor([index for _, index, _ in owned]).long(),
            drive=double(drive),
            leak=double(leak),
            gain=double(gain),
            low=double([limit[0] for limit in limits]),
            high=double([limit[1] for limit in limits]),
            control_low=double([limit[0] for limit in control]),
            control_high=double([limit[1] for limit in control]),
            muscle=double(muscle),
            rise=double([_parameter(actuator, 0) for actuator in actuators]),
            fall=double([_parameter(actuator, 1) for actuator in actuators]),
            width=double([_parameter(actuator, 2) for actuator in actuators]),
        )

        self._limited = bool(self.low.isfinite().any() or self.high.isfinite().any())
        self._steps = self._plan_jump(steps)

    def _plan_jump(self, steps: int) -> int:
        """Lay out so many steps at once, and return how many these are: 1 if they cannot be.

        A filter or an integrator is linear. If it does not oscillate, it stays at a limit that it
        has reached.
        """
        one, none = torch.ones_like(self.drive), torch.zeros_like(self.drive)
        keeps, takes = self._change(one, none), self._change(none, one)
        if self._muscles or (keeps < 0).any():
            return 1
        kept, taken = one, none
        # Where there are limits, the first step is taken alone: it may begin beyond them.
        for _ in range(steps - self._limited):
            kept, taken = kept * keeps, taken * keeps + takes
        register_constants(self, kept=kept, taken=taken)
        return steps

    def inputs(self, ctrl: Tensor) -> Tensor:
        """Return what drives activations (*batch, na), given controls (*batch, nu)."""
        return ctrl.index_select(-1, self.actuator).clamp(self.control_low, self.control_high)

    def rate(self, act: Tensor, ctrl: Tensor) -> Tensor:
        """Return how fast activations (*batch, na) change, given their inputs (*batch, na)."""
        rate = ctrl * self.drive - act * self.leak
        if self._muscles:
            muscle = muscle_rate(act, ctrl, self.rise, self.fall, self.width)
            rate = torch.where(self.muscle > 0, muscle, rate)
        return rate

    def early(self, act: Tensor, ctrl: Tensor) -> Tensor:
        """Return the activations that MuJoCo takes for those of the next step, given controls."""
        rate = self.rate(act, self.inputs(ctrl))
        return self._clipped(act + rate * self.gain)

    def advance(self, act: Tensor, ctrl: Tensor, steps: int) -> Tensor:
        """Return the activations (*batch, na) after some steps, given controls (*batch, nu)."""
        if not self._acts:
            return act
        driven = self.inputs(ctrl)
        if steps == self._steps > 1:
            if self._limited:
                act = self._clipped(self._change(act, driven))
            return self._clipped(act * self.kept + driven * self.taken)
        for _ in range(steps):
            act = self._clipped(self._change(act, driven))
        return act

    def _clipped(self, act: Tensor) -> Tensor:
        return act.clamp(self.low, self.high) if self._limited else act

    def _change(self, act: Tensor, driven: Tensor) -> Tensor:
        """Return the activations after one step, before they are clipped."""
        rate = self.rate(act, driven)
        if self._rk4:
            h, first = self._timestep, rate
            second = self.rate(act + 0.5 * h * first, driven)
            third = self.rate(act + 0.5 * h * second, driven)
            fourth = self.rate(act + h * third, driven)
            rate = (first + 2 * second + 2 * third + fourth) / 6
        return act + rate * self.gain


def bounds(equipment: Equipment, actuator: Actuator) -> Vector:
    """Return the ends of the range that an actuator's control is clipped to."""
    clipped = actuator.control_range if equipment.clips_controls else None
    return clipped or UNLIMITED


def _parameter(actuator: Actuator, index: int) -> float:
    given = actuator.dynamics_parameters
    return given[index] if index < len(given) else 0.0
