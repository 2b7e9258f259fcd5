"""The rules of an environment: what its own code computes from physics, and how exactly."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Annotated, Literal

import msgspec
from gymnasium.spaces import Box
from gymnasium.spaces.utils import flatten_space
from msgspec import Meta

from learned_envs.errors import RulesError
from learned_envs.rules.comparison import Comparison
from learned_envs.rules.dependence import dependence
from learned_envs.rules.graph import MOST_CHARACTERS, Graph
from learned_envs.rules.space import Named, Numbers, SpaceData

OUTPUTS = {"observation": "float", "reward": "float", "terminated": "bool", "truncated": "bool"}
"""What a step gives, and what kind of numbers."""

How = Literal["exact", "learned", "hosted"]
"""How a quantity comes about: by the environment's own formula from what kinematics knows; with
something in it that the model has to learn; or in the environment's own code."""


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of an environment.

    Attributes:
        step: from `action`, `before.NAME`, `after.NAME` and `memory.LEAF` to `observation` (n,),
            `reward`, `terminated`, `truncated`, `info.KEY`, `ctrl` (nu,), `memory.LEAF`.
        start: from `after.NAME` and `memory.LEAF` to the `observation` and `info.KEY` of a reset.
        observation_space: the environment's own.
        action_space: the environment's own.
        learned: inputs that no formula gives, and that sensors of the model predict: name -> mean
            squared error on held-out data, in units of its variance.
        checked: the step against the real environment.
        frozen: indices of v that stay zero where q holds a constant of the episode, such as a goal.
        ways: in how many ways the environment's code can go.
        notes: what was taken for granted, a sentence each.
    """

    step: Graph
    start: Graph
    observation_space: Numbers | Named
    action_space: Numbers
    learned: dict[str, Annotated[float, Meta(ge=0)] | None] = {}
    checked: Comparison | None = None
    frozen: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    ways: Annotated[int, Meta(ge=1)] = 1
    notes: tuple[Annotated[str, Meta(max_length=1000)], ...] = ()

    def __post_init__(self) -> None:
        """Check that the graphs give what rules must give, and are not too long.

        Raises:
            RulesError: if they do not, or are.
        """
        length = sum(len(graph.to_json()) for graph in (self.step, self.start))
        if length > MOST_CHARACTERS:
            raise RulesError(
                f"Got rules of {length:,} characters, expected at most {MOST_CHARACTERS:,}."
            )
        columns = (self.observation_space.size,)
        for graph, names in ((self.step, tuple(OUTPUTS)), (self.start, ("observation",))):
            for name in names:
                if name not in graph.outputs:
                    raise RulesError(f"Got rules without {name}, expected {', '.join(names)}.")
                node = graph.nodes[graph.outputs[name]]
                shape = columns if name == "observation" else ()
                if (node.shape, node.kind) != (shape, OUTPUTS[name]):
                    raise RulesError(
                        f"Got {name} of {node.kind} {node.shape}, expected {OUTPUTS[name]} {shape}."
                    )

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """The inputs of both graphs: name -> shape."""
        return {**self.start.inputs, **self.step.inputs}

    def how(self) -> dict[str, tuple[How, ...]]:
        """Return how each number of each output comes about: name -> one for each number."""
        return {
            name: tuple("learned" if does else "exact" for does in each)
            for name, each in self.depends_on(self.learned.keys()).items()
        }

    def depends_on(self, inputs: AbstractSet[str]) -> dict[str, tuple[bool, ...]]:
        """Return whether each number of each output depends on any of these inputs of a step."""
        return {
            name: tuple(bool(names & inputs) for names in each)
            for name, each in dependence(self.step).items()
        }


def flat_space(space: SpaceData) -> Box:
    """Return the Box of a space whose parts are laid out one behind the other, in order."""
    made = flatten_space(space.space())
    assert isinstance(made, Box)
    return made
