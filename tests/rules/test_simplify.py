"""What a builder simplifies gives the same numbers, whatever the numbers are."""

from typing import Any

import numpy as np
import pytest
from interpreter import interpreted

from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.graph import Graph

NUMBERS = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -3.0, np.inf, -np.inf, np.nan]

PLAIN = ("add", "sub", "mul", "div", "pow", "maximum", "minimum")
ONE = ("neg", "abs", "sqrt", "sign", "floor")
ASK = ("lt", "ge", "eq", "ne")


class Literal(GraphBuilder):
    """Computes what is known, and simplifies nothing."""

    def add(self, op: str, *operands: Any, data: Any = None, shape: Any = None) -> int:
        made = super().add(op, *operands, data=data, shape=shape)
        simple = self[made]
        args = [self._index(x) for x in operands]
        if op in ("view", "expand", "cat", "take") or simple.op == "constant":
            return made
        try:
            return self.make(op, *args, data=data)
        except ValueError:
            return made


def program(build: GraphBuilder, rng: np.random.Generator, size: int) -> Graph:
    """Build something of a few numbers and flags, by chance."""
    q = build.input("after.qpos", (3,))
    numbers = [build.view(build.take(q, 0, [place]), ()) for place in range(3)]
    numbers += [build.constant(x) for x in (0.0, 1.0, 2.0)]
    flags = [build.constant(True), build.constant(False), build.add("lt", *numbers[:2])]
    for _ in range(size):
        x, y = (int(each) for each in rng.choice(numbers, 2))
        a, b = (int(each) for each in rng.choice(flags, 2))
        match rng.integers(7):
            case 0:
                numbers.append(build.add(str(rng.choice(PLAIN)), x, y))
            case 1:
                numbers.append(build.add(str(rng.choice(ONE)), x))
            case 2:
                flags.append(build.add(str(rng.choice(ASK)), x, y))
            case 3:
                flags.append(build.add(str(rng.choice(["bitwise_and", "bitwise_or"])), a, b))
            case 4:
                flags.append(build.add("bitwise_not", a))
            case 5:
                numbers.append(
                    build.where(a, x, y) if rng.random() < 0.8 else build.cast(a, "float")
                )
            case 6:
                flags.append(build.where(a, b, int(rng.choice(flags))))
    seen = build.cat([build.stack(numbers[-6:]), build.take(q, 0, [1, 2])])
    seen = build.where(flags[-2], seen, build.cat([build.stack(numbers[-7:-1]), [1.0, 2.0]]))
    outputs = {
        "observation": build.take(seen, 0, rng.permutation(8)[:5]),
        "reward": numbers[-1],
        "terminated": flags[-1],
    }
    return build.graph(outputs)


@pytest.mark.parametrize("seed", range(100))
def test_simplified_rules_give_the_same(seed: int) -> None:
    simplified = program(GraphBuilder(), np.random.default_rng(seed), 25)
    literal = program(Literal(), np.random.default_rng(seed), 25)
    assert len(simplified.nodes) <= len(literal.nodes) + 10
    rng = np.random.default_rng(seed)
    for _ in range(20):
        inputs = {"after.qpos": rng.choice(NUMBERS, 3)}
        ours, theirs = interpreted(simplified, inputs), interpreted(literal, inputs)
        for name in theirs:
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
