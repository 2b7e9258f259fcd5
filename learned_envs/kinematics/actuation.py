"""Forces of actuators: MuJoCo's actuator_force and qfrc_actuator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from learned_envs.kinematics.activation import UNLIMITED, ActivationRule, bounds
from learned_envs.kinematics.instant import Instant, Part, quantity
from learned_envs.kinematics.links import double, register_constants
from learned_envs.kinematics.muscle import Muscles
from learned_envs.kinematics.transmission import Transmission
from learned_envs.systems.equipment import Actuator, Equipment
from learned_envs.systems.spec import SystemSpec
from learned_envs.systems.vector import Vector


class Actuation(Part):
    """What actuators do, given controls and activations."""

    enabled: Tensor
    early: Tensor
    stateless: Tensor
    activation: Tensor
    control_low: Tensor
    control_high: Tensor
    force_low: Tensor
    force_high: Tensor
    joint_low: Tensor
    joint_high: Tensor
    of_tendon: Tensor
    tendon_low: Tensor
    tendon_high: Tensor

    def __init__(
        self,
        spec: SystemSpec,
        equipment: Equipment,
        actuators: Sequence[Actuator],
        transmission: Transmission,
    ) -> None:
        """Lay out actuators.

        Args:
            spec: the system.
            equipment: what is mounted on it.
            actuators: all of them.
            transmission: of all of them.

        Raises:
            ParameterError: if activations follow rules of their own.
        """
        super().__init__()
        self._transmission = transmission
        self._gain = _Coefficient([(a, a.gain, a.gain_parameters) for a in actuators], transmission)
        self._bias = _Coefficient([(a, a.bias, a.bias_parameters) for a in actuators], transmission)
        self._rule = None
        if any(actuator.early and actuator.activation >= 0 for actuator in actuators):
            self._rule = ActivationRule(equipment, spec.timestep)
        self._active = any(actuator.activation >= 0 for actuator in actuators)
        controls = [bounds(equipment, actuator) for actuator in actuators]
        forces = [actuator.force_range or UNLIMITED for actuator in actuators]
        joints = [UNLIMITED] * spec.nv
        for index, low, high in equipment.joint_force_ranges:
            if spec.joints[index].kind != "free":
                joints[spec.joints[index].v] = (low, high)
        tendons = [
            (index, tendon.force_range)
            for index, tendon in enumerate(equipment.tendons)
            if tendon and tendon.force_range
        ]
        on_tendon = [a.target if a.transmission == "tendon" else -1 for a in actuators]
        self._clips = [{*each} != {UNLIMITED} for each in (controls, forces, joints)]
        self._tendons_clip = any(index in on_tendon for index, _ in tendons)
        register_constants(
            self,
            enabled=double([float(equipment.actuated and not a.disabled) for a in actuators]),
            early=torch.tensor([a.early for a in actuators]),
            stateless=torch.tensor([a.activation < 0 for a in actuators]),
            activation=torch.tensor([max(a.activation, 0) for a in actuators]).long(),
            of_tendon=double(
                [[float(index == target) for target in on_tendon] for index, _ in tendons]
            ).reshape(-1, len(actuators)),
            **_ends("control", controls),
            **_ends("force", forces),
            **_ends("joint", joints),
            **_ends("tendon", [limits for _, limits in tendons]),
        )

    @quantity
    def forces(self, at: Instant) -> Tensor:
        """Return the force of each actuator, (*batch, n)."""
        ctrl = at.ctrl
        if self._clips[0]:
            ctrl = ctrl.clamp(self.control_low, self.control_high)
        force = self._gain.gain(at) * self._inputs(at, ctrl) + self._bias.bias(at)
        force = (force * self.enabled).expand(ctrl.shape)
        if self._tendons_clip:
            total = force @ self.of_tendon.mT
            clipped = total.clamp(self.tendon_low, self.tendon_high)
            within = total == clipped
            change = torch.where(within, 0.0, clipped / total.where(~within, 1.0) - 1)
            force = force * (1 + change @ self.of_tendon)
        return force.clamp(self.force_low, self.force_high) if self._clips[1] else force

    @quantity
    def generalised(self, at: Instant) -> Tensor:
        """Return the total force on each degree of freedom, (*batch, nv)."""
        moments = self._transmission.moments(at)
        force = (moments.mT @ self.forces(at).unsqueeze(-1)).squeeze(-1)
        return force.clamp(self.joint_low, self.joint_high) if self._clips[2] else force

    def _inputs(self, at: Instant, ctrl: Tensor) -> Tensor:
        """Return what each gain is multiplied by: the control, or the activation."""
        if not self._active:
            return ctrl
        act = at.act
        taken = act.index_select(-1, self.activation)
        if self._rule is not None:
            later = self._rule.early(act, at.ctrl)
            taken = torch.where(self.early, later.index_select(-1, self.activation), taken)
        return torch.where(self.stateless, ctrl, taken)


class _Coefficient(Part):
    """A gain or a bias of each actuator: affine in length and velocity, or a muscle's."""

    constant: Tensor
    by_length: Tensor
    by_velocity: Tensor
    muscle: Tensor
    place: Tensor

    def __init__(
        self, kinds: Sequence[tuple[Actuator, str, Vector]], transmission: Transmission
    ) -> None:
        super().__init__()
        self._transmission = transmission
        rows, muscles = [], []
        for row, (actuator, kind, given) in enumerate(kinds):
            used = {"fixed": 1, "affine": 3}.get(kind, 0)
            rows.append([*given[:used], 0.0, 0.0, 0.0][:3])
            if kind == "muscle":
                muscles.append((row, actuator, given))
        columns = double(rows).reshape(-1, 3).unbind(-1)
        place = torch.zeros(len(muscles), len(kinds)).double()
        place[range(len(muscles)), [row for row, _, _ in muscles]] = 1.0
        self._muscles = None
        if muscles:
            self._muscles = Muscles([m[1] for m in muscles], [m[2] for m in muscles])
        register_constants(
            self,
            **dict(zip(("constant", "by_length", "by_velocity"), columns, strict=True)),
            muscle=torch.tensor([row for row, _, _ in muscles]).long(),
            place=place,
        )
        self._by_length, self._by_velocity = (bool(column.any()) for column in columns[1:])

    @quantity
    def gain(self, at: Instant) -> Tensor:
        """Return the gains, (n) or (*batch, n)."""
        value = self._affine(at)
        if self._muscles:
            length = self._transmission.lengths(at).index_select(-1, self.muscle)
            velocity = self._transmission.velocities(at).index_select(-1, self.muscle)
            value = value + self._muscles.gain(length, velocity) @ self.place
        return value

    @quantity
    def bias(self, at: Instant) -> Tensor:
        """Return the biases, (n) or (*batch, n)."""
        value = self._affine(at)
        if self._muscles:
            length = self._transmission.lengths(at).index_select(-1, self.muscle)
            value = value + self._muscles.bias(length) @ self.place
        return value

    @quantity
    def _affine(self, at: Instant) -> Tensor:
        value = self.constant
        if self._by_length:
            value = value + self._transmission.lengths(at) * self.by_length
        if self._by_velocity:
            value = value + self._transmission.velocities(at) * self.by_velocity
        return value


def _ends(name: str, ranges: Sequence[Vector]) -> dict[str, Tensor]:
    return {
        f"{name}_low": double([limits[0] for limits in ranges]),
        f"{name}_high": double([limits[1] for limits in ranges]),
    }
