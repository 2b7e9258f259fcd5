"""Steps as CUDA graphs: their kernels are recorded once, and then launched all at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from learned_envs import Simulation, State
from learned_envs.state import leaves, mapped
from learned_envs.stepping import compiled

Step = Callable[[State, Tensor], Any]


class Recorded:
    """A step that is recorded as a CUDA graph for each shape it meets.

    A graph writes where it wrote when it was recorded. So what is handed out is cloned.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._graphs: dict[tuple[Any, ...], _Graph] = {}

    def __call__(self, state: State, action: Tensor) -> Any:
        """Take the step."""
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in (*leaves(state), action))
        if shapes not in self._graphs:
            self._graphs[shapes] = _Graph(self._step, state, action)
        return self._graphs[shapes](state, action)

    def forget(self) -> None:
        """Drop all graphs, and with them the memory that each keeps for itself."""
        self._graphs.clear()


class _Graph:
    def __init__(self, step: Step, state: State, action: Tensor) -> None:
        self._state, self._action = state.map(Tensor.clone), action.clone()
        # What is compiled, or chosen by a first run, must be so before anything is recorded.
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step(self._state, self._action)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._result = step(self._state, self._action)

    def __call__(self, state: State, action: Tensor) -> Any:
        for own, given in zip(leaves(self._state), leaves(state), strict=True):
            own.copy_(given)
        self._action.copy_(action)
        self._graph.replay()
        return mapped(Tensor.clone, self._result)


class RecordedSimulation(Simulation):
    """A simulation whose steps are CUDA graphs."""

    @classmethod
    def of(cls, simulation: Simulation) -> RecordedSimulation:
        """Make one of a simulation, compiled or not."""
        return cls(simulation.task, simulation.dynamics, simulation.card, simulation.compile)

    @cached_property
    def steps(self) -> dict[bool, Any]:
        """The steps, with disagreement and without."""
        own = Simulation(self.task, self.dynamics, self.card, self.compile)
        return {flag: Recorded(step) for flag, step in own.steps.items()}

    def forget(self) -> None:
        """Drop all graphs; what is compiled stays."""
        for step in self.steps.values():
            step.forget()


class ReducedOverhead(Simulation):
    """A simulation whose steps `torch.compile` makes with `mode="reduce-overhead"`.

    On a GPU that records them as CUDA graphs too. What they hand out is cloned.
    """

    @classmethod
    def of(cls, simulation: Simulation) -> ReducedOverhead:
        """Make one of an uncompiled simulation."""
        return cls(simulation.task, simulation.dynamics, simulation.card)

    @cached_property
    def steps(self) -> dict[bool, Any]:
        """The steps, with disagreement and without."""
        own = Simulation(self.task, self.dynamics, self.card)
        return {flag: self._reduced(step) for flag, step in own.steps.items()}

    @staticmethod
    def _reduced(step: Step) -> Step:
        fast = compiled(step, mode="reduce-overhead", fullgraph=True, dynamic=False)

        def run(state: State, action: Tensor) -> Any:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
            return mapped(Tensor.clone, fast(state, action))

        return run
