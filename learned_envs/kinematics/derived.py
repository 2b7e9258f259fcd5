"""What MuJoCo derives of a state: poses, velocities, inertias, lengths, forces, sensors.

Names, shapes and conventions are those of MuJoCo's `MjData`
(https://mujoco.readthedocs.io/en/stable/APIreference/APItypes.html#mjdata), as `mj_forward` leaves
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from learned_envs.errors import ParameterError
from learned_envs.kinematics.computable import computable
from learned_envs.kinematics.instant import Instant
from learned_envs.kinematics.plan import Plan, Quantity
from learned_envs.kinematics.readings import reading
from learned_envs.kinematics.table import Leaves
from learned_envs.kinematics.typed import Typed
from learned_envs.systems.equipment import Equipment
from learned_envs.systems.spec import SystemSpec

Rows = Iterable[int] | None


class Derived:
    """Computes some of MuJoCo's derived arrays in batches, differentiably.

    Constants are kept for every type and device that it is called with.
    """

    def __init__(
        self,
        spec: SystemSpec,
        equipment: Equipment,
        names: Iterable[str] | Mapping[str, Rows],
        leaves: Iterable[str] = (),
    ) -> None:
        """Lay out what is needed for some arrays.

        Args:
            spec: the system.
            equipment: what is mounted on it.
            names: of arrays, such as "xpos", and "sensor.NAME" of sensors. A mapping says which
                rows are asked for, such as {"xpos": (3,)}; other rows may be nan. None are all.
            leaves: names of the state's leaves. "mocap_pos", "mocap_quat" and constants of the
                model, such as "model.body_pos[5]", are taken from the state.

        Raises:
            ParameterError: if one of the arrays cannot be computed; see `computable`.
        """
        asked = names if isinstance(names, Mapping) else dict.fromkeys(names)
        self._arrays = Typed(_Arrays(spec, equipment, asked, leaves))

    def __call__(
        self,
        q: Tensor,
        v: Tensor,
        ctrl: Tensor | None = None,
        act: Tensor | None = None,
        leaves: Leaves | None = None,
    ) -> dict[str, Tensor]:
        """Return the arrays by name.

        Args:
            q: (*batch, nq).
            v: (*batch, nv).
            ctrl: (*batch, nu) controls, if forces are asked for.
            act: (*batch, na) activations, if forces are asked for that depend on them.
            leaves: (*batch, size) each, by name.

        Returns:
            Arrays of MuJoCo's shapes behind the batch's dimensions.

        Raises:
            ParameterError: if ctrl or act is needed and was not given.
        """
        found: dict[str, Tensor] = self._arrays.like(q)(q, v, ctrl, act, leaves or {})
        return found


class _Arrays(nn.Module):
    """The constants of `Derived`, and the quantities that it asks for."""

    def __init__(
        self,
        spec: SystemSpec,
        equipment: Equipment,
        asked: Mapping[str, Rows],
        leaves: Iterable[str],
    ) -> None:
        super().__init__()
        plan = Plan(spec, equipment, leaves)
        for name in asked:
            if not computable(name, equipment):
                raise ParameterError(
                    f"Got {name!r}, expected an array or a sensor that follows from positions, "
                    "velocities, controls and leaves, and equipment that is needed for it. Let a "
                    "learned sensor give it."
                )
        self._quantities: dict[str, Quantity] = {
            name: reading(plan, name) if name.startswith("sensor") else plan.quantity(name, rows)
            for name, rows in asked.items()
        }
        plan.tree.finish()
        self._tree, self._modules_made = plan.tree, plan.modules

    def forward(
        self, q: Tensor, v: Tensor, ctrl: Tensor | None, act: Tensor | None, leaves: Leaves
    ) -> dict[str, Tensor]:
        at = Instant(self._tree, q, v, ctrl, act, leaves)
        return {name: quantity(at) for name, quantity in self._quantities.items()}
