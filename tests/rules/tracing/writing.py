"""Functions of arrays, written down as graphs and compared with themselves."""

import sys

import numpy as np
from retold import evaluated

from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.tracing.modules import replaced
from learned_envs.rules.tracing.mujoco_function import mujoco_functions
from learned_envs.rules.tracing.oracle import explored, merged
from learned_envs.rules.tracing.scipy_rotation import rotation_substitutes
from learned_envs.rules.tracing.substitute import substitutes
from learned_envs.rules.tracing.traced import Traced
from learned_envs.rules.tracing.tracer import Tracer


def written_down(function, *examples):
    """Return a graph of a function of arrays, and in how many ways it can go."""
    tracer = Tracer(GraphBuilder())
    table, names = substitutes(tracer)
    table |= mujoco_functions(tracer) | rotation_substitutes(tracer)
    module = sys.modules[function.__module__]
    with replaced([module], table, names, lambda value: value):
        inputs = [tracer.input(f"x{place}", x) for place, x in enumerate(examples)]

        def run():
            return tracer.lift(function(*(Traced(storage) for storage in inputs))).node

        ways = explored(tracer.oracle, run)
        node = merged(tracer.builder, ways, tracer.builder.where)
    return tracer.builder.graph({"out": node}), len(ways)


def check(function, draw, atol=1e-14):
    """Compare a function with its graph on arrays that are drawn again and again.

    Sums in another order, and composed functions, differ by rounding alone: 1e-12 of a number.
    """
    rng = np.random.default_rng(0)
    graph, _ = written_down(function, *(x.copy() for x in draw(rng)))
    for _ in range(40):
        arrays = draw(rng)
        with np.errstate(all="ignore"):
            expected = np.asarray(function(*(x.copy() for x in arrays)), dtype=np.float64)
        found = evaluated(graph, lambda name, arrays=arrays: arrays[int(name[1:])])["out"]
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=atol)
