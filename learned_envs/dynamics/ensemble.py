"""Several models of one family, stepped in one batched product."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from learned_envs.defaults import usual_defaults
from learned_envs.dynamics.dynamics import Dynamics, Family, Prediction
from learned_envs.dynamics.heading import Heading
from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.sensor import SensorHead
from learned_envs.dynamics.spread_head import SpreadHead
from learned_envs.state import State, leaves, rebuilt
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import SystemSpec

GROUPING_PAYS = 64
"""From this batch size on, sorting states by member costs less than stepping all by every one."""

ROW = 64
"""If states are sorted by member, each member steps a multiple of this many."""


class Ensemble(Dynamics):
    """`members` models of a family that differ in their first weights and their data.

    A state that remembers a `member`, (*batch) int64, steps with that member alone. Without one,
    it steps with the members' mean. What the family itself `remembers` has an axis of members
    behind the batch's. Other leaves of the memory move as q and v do if the family computes them,
    and are handed on as they are if not.

    Attributes:
        family: the members' configuration.
        members: how many there are.
        model: the members, along a leading axis.
        heading: the frame that the members see the system in; None if it is the world's.
        sensors: what it predicts the readings of, beside the motion.
        head: the network that predicts them, with as many members; None without sensors. Of models
            that are new, it says how wrong it may be.
        judges: members that only say how far they are from these; None in most cases.
        starts: (n, nq + nv + leaves), recorded states that episodes start from: q, v and then each
            leaf of the spec; None if the task draws its own.
        change_spread: (nv) the spread of a step's change of v in own frames: disagreement's unit.
    """

    change_spread: Tensor
    starts: Tensor | None

    def __init__(
        self,
        family: Family,
        spec: SystemSpec,
        members: int,
        sensors: Sequence[Sensor] = (),
        starts: int = 0,
        spreads: bool = True,
    ) -> None:
        with usual_defaults():
            super().__init__(spec)
        self.family = family
        self.members = members
        self.sensors = tuple(sensors)
        with usual_defaults():
            self.model = family.build(spec, members)
            self.heading = Heading.of(spec)
            # Made after the model, so that the model's first weights do not depend on the sensors.
            kind = SpreadHead if spreads else SensorHead
            self.head = kind(spec, self.kinematics, self.sensors, members) if self.sensors else None
            self.register_buffer("change_spread", torch.ones(spec.nv))
            size = spec.nq + spec.nv + sum(leaf.size for leaf in spec.leaves)
            self.register_buffer("starts", torch.zeros(starts, size) if starts else None)
        self.remembers, self.computes = self.model.remembers, self.model.computes
        self.judges: Ensemble | None = None

    def with_member(self, member: int, judged: bool = False) -> Ensemble:
        """Return an ensemble of one of the members. Its weights are views of this one's.

        Args:
            member: which one.
            judged: whether its disagreement is still that of all. The others then compute in
                bfloat16, because nobody sees where they lead.
        """
        own = self._part(slice(member, member + 1), 1)
        if judged and self.members > 1:
            others = [other for other in range(self.members) if other != member]
            own.judges = self._part(others, len(others)).to_bfloat16()
        return own

    def _part(self, chosen: slice | list[int], count: int) -> Ensemble:
        with usual_defaults(random=False):
            starts = 0 if self.starts is None else len(self.starts)
            own = Ensemble(self.family, self.spec, count, self.sensors, starts, self.spreads)
            own = own.to(self.q_low.device)
        theirs = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        for name, tensor in (*own.named_parameters(), *own.named_buffers()):
            shared = theirs[name].detach()
            each = shared.shape != tensor.shape
            tensor.data = shared[chosen] if each else shared
        return own.requires_grad_(False)

    @property
    def spreads(self) -> bool:
        """Whether there is a head that says how wrong its readings may be."""
        return isinstance(self.head, SpreadHead)

    def to_bfloat16(self) -> Ensemble:
        """Return a copy whose networks compute in bfloat16."""
        own = copy.deepcopy(self).requires_grad_(False)
        for module in own.modules():
            if isinstance(module, MLP):
                module.to(torch.bfloat16)
        return own

    def begin(
        self, state: State, generator: torch.Generator | None = None, mean: bool = False
    ) -> State:
        """Assign a member to every episode, uniformly at random; see `Dynamics.begin`."""
        shape, device = state.q.shape[:-1], state.q.device
        if not mean:
            member = torch.randint(self.members, shape, generator=generator, device=device)
            state = state.remember(member=member)
        if type(self.model).begin is Dynamics.begin:
            return state
        begun = self.model.begin(state.forget("member").map(lambda leaf: leaf[None]), generator)
        shared = {n: leaf[0] for n, leaf in begun.memory.items() if n not in self.remembers}
        return state.remember(**shared, **self._members_last(begun))

    def copies(self, state: State, disagreement: bool = False) -> int:
        """Return how many members step each state; see `Dynamics.copies`."""
        return 1 if self._grouping_pays(state) and not disagreement else self.members

    def step(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one step; see [`Dynamics.step`][learned_envs.dynamics.dynamics.Dynamics.step]."""
        return self._step(state, action, disagreement, False)

    def step_told(self, state: State, action: Tensor, disagreement: bool = False) -> Prediction:
        """Predict one step, and how wrong its readings may be; see `Dynamics.step_told`."""
        return self._step(state, action, disagreement, True)

    def _step(self, state: State, action: Tensor, disagreement: bool, spreads: bool) -> Prediction:
        if self._grouping_pays(state) and not disagreement:
            return self._step_grouped(state, action, spreads)
        member = state.memory.get("member")
        first = self._members_first(state)
        every = self._with_readings(first, action[None], spreads)
        if member is None:
            every = _of_the_mean(every)

        def choose(values: Tensor) -> Tensor:
            if member is None:
                return values.mean(0)
            index = member[None, ..., None].expand(1, *values.shape[1:])
            return values.gather(0, index)[0]

        spread = self._disagreement(every, first, action) if disagreement else None
        return self._reduce(state, first, every, choose, spread)

    def step_members(self, state: State, action: Tensor) -> Prediction:
        """Move each member, without readings, from its own states or from shared ones.

        Args:
            state: q (members, *batch, nq) and v (members, *batch, nv), or (1, *batch, .).
            action: (members, *batch, nu), or (1, *batch, nu).
        """
        if self.heading is None:
            return self.model.step(state, action)
        ahead = self.model.step(self.heading.enter(state), action)
        angle = state.q[..., self.heading.turn]
        displacement = self.heading.rotate(ahead.displacement, angle)
        reached = State(
            self.kinematics.advance(state.q, displacement),
            self.heading.rotate(ahead.state.v, angle),
            ahead.state.memory,
        )
        return replace(ahead, state=reached, displacement=displacement)

    def priors(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Return every parameter with its factor of weight decay; see `Dynamics.priors`."""
        yield from self.model.priors()
        if self.head is not None:
            for parameter in self.head.parameters():
                yield parameter, 1.0

    @torch.no_grad()
    def normalise(self, state: State, action: Tensor, next_state: State) -> None:
        """Set the constants of the model from transitions of the data; see `Dynamics.normalise`.

        The head's constants are not among them: its own `normalise` sets them.
        """
        super().normalise(state, action, next_state)
        change = self.frames.own(state.q, next_state.v - state.v)
        self.change_spread.copy_(change.std(0).clamp_min(1e-8))
        if self.heading is not None:
            state, next_state = self.heading.enter_transition(self.kinematics, state, next_state)
        self.model.normalise(state, action, next_state)

    def _step_grouped(self, state: State, action: Tensor, spreads: bool) -> Prediction:
        """Step every state with its own member only, sorted into a row for each."""
        flat = state.memory["member"].flatten()
        every = torch.arange(self.members, device=flat.device)
        before = (flat == every[:, None]).cumsum(1)
        # Rounded up, so that batches of one size have rows of one size.
        width = -(-int(before[:, -1].max()) // ROW) * ROW
        places = flat * width + before.gather(0, flat[None])[0] - 1
        order = torch.arange(len(flat), device=flat.device)
        rows = order.new_zeros(self.members * width).scatter_(0, places, order)
        shared = state.forget("member")
        given = [*leaves(shared), action]
        packed = torch.cat(given, -1).flatten(0, -2).index_select(0, rows)
        sizes = [tensor.shape[-1] for tensor in given]
        *parts, u = torch.split(packed.reshape(self.members, width, -1), sizes, -1)

        def own(values: Tensor) -> Tensor:
            chosen = values.flatten(0, 1).index_select(0, places)
            return chosen.reshape(*state.q.shape[:-1], -1)

        first = rebuilt(shared, iter(parts))
        return self._reduce(state, first, self._with_readings(first, u, spreads), own)

    def _grouping_pays(self, state: State) -> bool:
        # On a GPU, counting the states of each member would mean waiting for it.
        if "member" not in state.memory or self.remembers or state.q.device.type != "cpu":
            return False
        return state.q.shape[:-1].numel() >= GROUPING_PAYS

    def _members_first(self, state: State) -> State:
        """Return what members step from: one state for all, and what each of them remembers."""
        axis = state.q.ndim - 1
        shared = state.forget("member", *self.remembers).map(lambda leaf: leaf[None])
        own = {n: leaf for n, leaf in state.memory.items() if n in self.remembers}
        return shared.remember(**{name: leaf.movedim(axis, 0) for name, leaf in own.items()})

    def _members_last(self, every: State) -> dict[str, Tensor]:
        """Move the members' axis of what they remember behind the batch's."""
        axis = every.q.ndim - 2
        return {
            name: every.memory[name]
            .expand(self.members, *every.memory[name].shape[1:])
            .movedim(0, axis)
            for name in self.remembers
        }

    def _with_readings(self, state: State, action: Tensor, spreads: bool) -> Prediction:
        """Move each member as `step_members` does, and predict its sensors' readings."""
        every = self.step_members(state, action)
        if self.head is None:
            return every
        action = action.expand(*every.displacement.shape[:-1], -1)
        readings, wrong = self.head.predict(every.state, action, spreads)
        return replace(every, readings=readings, spreads=wrong)

    def _disagreement(self, every: Prediction, first: State, action: Tensor) -> Tensor:
        v = every.state.v
        if self.judges is not None:
            v = torch.cat([v, self.judges.step_members(first, action[None]).state.v])
        off = self.frames.own(first.q, v - v.mean(0))
        return (off / self.change_spread).square().mean((0, -1)).sqrt()

    def _reduce(
        self,
        state: State,
        first: State,
        every: Prediction,
        choose: Callable[[Tensor], Tensor],
        disagreement: Tensor | None = None,
    ) -> Prediction:
        """Make the prediction that `choose` picks from those of members that stepped from `first`.

        A leaf that they hand on stays what it is, to the last bit.
        """
        displacement = choose(every.displacement)
        q = self.kinematics.advance(state.q, displacement)
        readings = {name: choose(reading) for name, reading in every.readings.items()}
        spreads = {name: choose(spread) for name, spread in every.spreads.items()}
        moved = {
            name: choose(leaf.expand(self.members, *leaf.shape[1:]))
            for name, leaf in every.state.memory.items()
            if name not in self.remembers and leaf is not first.memory.get(name)
        }
        reached = State(q, choose(every.state.v), {**state.memory, **moved})
        reached = reached.remember(**self._members_last(every.state))
        return Prediction(reached, displacement, readings, disagreement, spreads)


def _of_the_mean(every: Prediction) -> Prediction:
    """Give each member the spread of the error of all members' mean: theirs, and between them."""

    def spread(own: Tensor, reading: Tensor) -> Tensor:
        squared = own.square() + (reading - reading.mean(0)).square()
        return squared.mean(0, keepdim=True).sqrt().expand_as(own)

    found = {name: spread(own, every.readings[name]) for name, own in every.spreads.items()}
    return replace(every, spreads=found)
