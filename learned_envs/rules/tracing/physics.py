"""MuJoCo's data as a step sees it: arrays that are inputs of a graph, before physics and after."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import mujoco
import numpy as np

from learned_envs.rules.tracing.contact import ContactList
from learned_envs.rules.tracing.model import ModelProxy
from learned_envs.rules.tracing.proxy import DataProxy, read_array
from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.storage import Storage
from learned_envs.rules.tracing.tracer import Tracer
from learned_envs.systems.slot import MODEL, Slot

STATE = frozenset({"qpos", "qvel", "act", "ctrl", "time", "mocap_pos", "mocap_quat", "userdata"})
"""What physics starts from: functions that compute other quantities anew leave it as it is."""

POSES = frozenset(
    {
        *("xpos", "xquat", "xmat", "xipos", "xiquat", "ximat", "xanchor", "xaxis"),
        *("geom_xpos", "geom_xquat", "geom_xmat", "site_xpos", "site_xquat", "site_xmat"),
        *("cam_xpos", "cam_xmat", "light_xpos", "light_xdir"),
    }
)

FORCES = frozenset(
    {
        *("qacc", "qacc_smooth", "qacc_warmstart", "act_dot", "cacc", "cfrc_int", "cfrc_ext"),
        *("qfrc_smooth", "qfrc_constraint", "qfrc_actuator", "qfrc_inverse", "actuator_force"),
    }
)
"""Arrays that `mj_step1` leaves as they are, as it does sensors of forces and accelerations."""

FRESH: dict[str, frozenset[str] | None] = {
    "mj_forward": None,
    "mj_step1": None,
    "mj_kinematics": POSES,
    "mj_comPos": frozenset({"subtree_com", "cinert", "cdof"}),
    "mj_comVel": frozenset({"cvel", "cdof_dot"}),
    "mj_fwdPosition": POSES
    | {"subtree_com", "cinert", "cdof", "ten_length", "actuator_length", "crb"},
    "mj_fwdVelocity": frozenset({"cvel", "ten_velocity", "actuator_velocity", "cdof_dot"}),
    "mj_sensorPos": frozenset({"sensordata"}),
    "mj_sensorVel": frozenset({"sensordata"}),
    "mj_sensorAcc": frozenset({"sensordata"}),
    "mj_subtreeVel": frozenset({"subtree_linvel", "subtree_angmom"}),
}
"""Function of MuJoCo's -> the arrays that it computes anew; None for all but the state."""

GIVEN = frozenset(
    {"ctrl", "qpos", "qvel", "mocap_pos", "mocap_quat", "xfrc_applied", "qfrc_applied"}
)
"""What a step may write before physics."""

HELD = GIVEN - {"qpos", "qvel"}
"""What physics leaves as it is."""

UNCHANGED = frozenset({"mj_rnePostConstraint", "mj_energyPos", "mj_energyVel"})
"""Functions that compute what one reads right after them, as if it had been there."""


HELP = "write into data before the first call of physics alone: ctrl, mocap_pos, qvel, ..."


class PhysicsReached(BaseException):
    """A step came to physics, and no more was asked of it."""


class Physics:
    """The physics of one run of a step: a copy of the real one, behind `DataProxy`.

    Inputs are named `before.X`, then `1.X` after the first call of physics, `2.X` after the second,
    and `fresh.X` for what was computed anew behind the last; `0.X` for what was computed anew
    before the first.

    Attributes:
        calls: how often physics was called.
        ends: whether the first call of physics ends the run, by `PhysicsReached`.
        original: the data of which this is a copy.
        given: nodes of what the step wrote for physics, when it was first called: `ctrl`,
            `physics.X`, and `memory.X` for what is kept.
        constants: the model, or what stands for it.
        contacts: the pairs of geoms that touch.
        asked: the stages at which contacts were asked for.
    """

    def __init__(
        self,
        tracer: Tracer,
        data: mujoco.MjData,
        contacts: Sequence[tuple[int, int]] = (),
        stage: str = "before",
        slots: Sequence[Slot] = (),
    ) -> None:
        self.tracer, self.model = tracer, data.model
        self.real = copy.copy(data)
        self.stage, self.calls = stage, 0
        self.fresh: set[str] = set()
        self.original, self.ends = data, False
        self.given: dict[str, int] = {}
        self.contacts, self.asked = contacts, set[str]()
        self.storages: dict[str, Storage] = {}
        self.proxy = DataProxy(self)
        drawn = any(slot.name.startswith(MODEL) for slot in slots)
        self.constants = ModelProxy(tracer, self.model, slots) if drawn else self.model

    def storage(self, name: str) -> Storage:
        """Return the memory of an array of MuJoCo's data."""
        if name not in self.storages:
            self.storages[name] = self._input(name)
        return self.storages[name]

    def _prefix(self, name: str) -> str:
        if name not in self.fresh:
            return self.stage
        return "0" if self.stage == "before" else "fresh"

    def _input(self, name: str) -> Storage:
        example = np.array(getattr(self.real, name))
        free = name == "ctrl" or name in GIVEN - HELD or (name in GIVEN and not self.calls)
        locked = "" if free else f"a value written into data.{name}|{HELP}"
        if name != "sensordata":
            storage = self.tracer.input(f"{self._prefix(name)}.{name}", example, locked)
            if self.calls and name in GIVEN - HELD:
                storage.settled = f"data.{name}"
            return storage
        parts = []
        for sensor in range(self.model.nsensor):
            first, size = self.model.sensor_adr[sensor], self.model.sensor_dim[sensor]
            label = self.model.sensor(sensor).name or str(sensor)
            part = example[first : first + size]
            force = self.model.sensor_needstage[sensor] == mujoco.mjtStage.mjSTAGE_ACC
            prefix = self._prefix("qacc" if force else "sensordata")
            parts.append(self.tracer.input(f"{prefix}.sensor.{label}", part).node)
        node = self.tracer.builder.cat([self.tracer.builder.constant(example[:0]), *parts])
        return Storage(self.tracer, node, example, locked)

    def touching(self) -> ContactList:
        """Return the contacts."""
        if self.stage == "before":
            raise refusal(
                "contacts of the step before", "ask for those of this step, behind physics"
            )
        self.asked.add(self._prefix("contact"))
        return ContactList(self.contacts)

    def refresh(self, kept: frozenset[str]) -> None:
        """Let arrays be what physics has now, wherever they are looked into already."""
        for name, storage in self.storages.items():
            if name not in kept:
                new = self._input(name)
                vars(storage).update(vars(new))

    def step(self, name: str, count: int) -> None:
        """Run physics."""
        if not self.calls:
            self._give()
        if self.ends:
            raise PhysicsReached
        self._write()
        if name == "mj_step":
            mujoco.mj_step(self.model, self.real, count)
        else:
            mujoco.mj_step2(self.model, self.real)
        self.calls += 1
        self.stage, self.fresh = str(self.calls), set()
        self.refresh(HELD)
        for each in HELD - {"ctrl"}:
            if each in self.storages:
                self.storages[each].locked = f"a value written into data.{each}|{HELP}"

    def left(self, slots: Sequence[Slot]) -> dict[str, int]:
        """Return nodes of what a step leaves in arrays of the data that are memory, if changed."""
        nodes = {}
        for name in HELD & {slot.name for slot in slots} & set(self.storages):
            storage = self.storages[name]
            if storage.node != self.tracer.input(f"before.{name}", storage.example).node:
                nodes[f"memory.{name}"] = storage.node
        return nodes

    def now(self) -> tuple[int, str, dict[str, int]]:
        """Return what a part of a step must leave as it is: calls, stage, and what was written."""
        nodes = {}
        for name in GIVEN & set(self.storages):
            storage = self.storages[name]
            read = self.tracer.input(f"{self._prefix(name)}.{name}", storage.example)
            if storage.node != read.node:
                nodes[name] = storage.node
        return self.calls, self.stage, nodes

    def _give(self) -> None:
        """Remember what the step wrote for physics."""
        self.given["ctrl"] = self.storage("ctrl").node
        for name, storage in self.storages.items():
            if name == "ctrl" or storage.node == self._input(name).node:
                continue
            kept = name.startswith("mocap_")
            self.given[f"memory.{name}" if kept else f"physics.{name}"] = storage.node

    def _write(self) -> None:
        """Let the copy of physics have what was written into its arrays."""
        for name, storage in self.storages.items():
            if storage.written:
                getattr(self.real, name)[...] = storage.example
                storage.written = False

    def anew(self, name: str) -> None:
        """Run a function that computes quantities anew."""
        self._write()
        getattr(mujoco, name)(self.model, self.real)
        if name in FRESH:
            every = {x for x in dir(self.real) if isinstance(read_array(self.real, x), np.ndarray)}
            behind = FORCES if name == "mj_step1" else frozenset()
            self.fresh |= (FRESH[name] or every | {"contact"}) - STATE - HELD - behind
        self.refresh(STATE | HELD)
