"""Steps a second on a device: rollouts, environments, training; their ceiling; MJX beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, partial
from itertools import product
from typing import Any

import gymnasium as gym
import torch
from gpu_graph import Recorded, RecordedSimulation, ReducedOverhead
from gpu_run import PRECISIONS, Row, Run, installed, nothing_falls_back, precision
from torch import Tensor

from learned_envs import Simulation, registry
from learned_envs.dynamics.network import MLP

ROLLOUT_STEPS = 16
"""Steps of each rollout that is timed."""

LARGE = {True: 8192, False: 512}
"""The size of the matrices that show what the device can do, on a GPU or not."""

EAGER, COMPILED, GRAPH, BOTH, REDUCED = (
    "eager",
    "compiled",
    "CUDA graph",
    "compiled, CUDA graph",
    "reduce-overhead",
)

ORDER = [
    (engine, numbers)
    for numbers, engine in (
        ("float32", EAGER),
        ("float32", COMPILED),
        ("float32", GRAPH),
        ("float32", BOTH),
        ("bfloat16", COMPILED),
        ("bfloat16", BOTH),
        ("tf32", EAGER),
        ("tf32", COMPILED),
        ("tf32", BOTH),
        ("bfloat16", EAGER),
        ("float32", REDUCED),
    )
]
"""Ways to step, what matters most first: time may end before they do."""


def made(engine: str, numbers: str, task: str, device: str) -> Simulation:
    """Make a simulation that steps in one of the ways."""
    loaded = Simulation.load(task, device)
    loaded = loaded.to_bfloat16() if numbers == "bfloat16" else loaded
    if engine == REDUCED:
        return ReducedOverhead.of(loaded)
    loaded = loaded.compiled() if engine in (COMPILED, BOTH) else loaded
    return RecordedSimulation.of(loaded) if engine in (GRAPH, BOTH) else loaded


def ways(run: Run, without: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """List the ways to step that the device has."""
    graphs = () if run.on_gpu else (GRAPH, BOTH, REDUCED)
    for engine, numbers in ORDER:
        if engine not in (*graphs, *without) and (run.on_gpu or numbers != "tf32"):
            yield engine, numbers


def machine(run: Run) -> None:
    """Measure what the device can do: large products in each precision, and copies."""
    for numbers in PRECISIONS:
        run.attempt(partial(large_product, run, numbers), what=f"matrix products, {numbers}")
    run.attempt(lambda: large_copy(run), what="copies")


def large_product(run: Run, numbers: str) -> Row:
    size = LARGE[run.on_gpu]
    kind = torch.bfloat16 if numbers == "bfloat16" else torch.float32
    # Random, because a GPU multiplies zeros faster.
    one, other = (torch.randn(size, size, device=run.device).to(kind) for _ in range(2))
    with precision(numbers):
        rate = run.pace(lambda: one @ other, 2 * size**3)
    return {"figure": rate / 1e12, "unit": "TFLOP/s"}


def large_copy(run: Run) -> Row:
    source = torch.randn(2**28 if run.on_gpu else 2**22, device=run.device)
    target = torch.empty_like(source)
    moved = 2 * source.numel() * source.element_size()
    return {"figure": run.pace(lambda: target.copy_(source), moved) / 1e9, "unit": "GB/s"}


def layers_of(simulation: Simulation) -> list[list[Tensor]]:
    """List the weights that a step multiplies with, network by network, as it calls them."""
    calls: list[list[Tensor]] = []

    def note(network: Any, *_: Any) -> None:
        calls.append([layer.weight for layer in network.layers])

    networks = [m for m in simulation.dynamics.modules() if isinstance(m, MLP)]
    hooks = [network.register_forward_hook(note) for network in networks]
    state = simulation.reset(8)
    with torch.no_grad():
        # With disagreement every member takes part, whatever the device.
        simulation.step(state, torch.zeros(8, simulation.task.spec.nu, device=state.q.device), True)
    for hook in hooks:
        hook.remove()
    return calls


def ceiling(run: Run) -> None:
    """Measure the products of the model's own layers, and nothing else of a step."""
    for numbers, envs in product(PRECISIONS if run.on_gpu else PRECISIONS[::2], run.sizes):
        run.attempt(
            partial(bare_layers, run, numbers, envs),
            what="ceiling",
            how=f"products of its layers alone, {numbers}",
            envs=envs,
        )


@torch.no_grad()
def bare_layers(run: Run, numbers: str, envs: int) -> Row:
    simulation = made(EAGER, numbers, run.task, run.device)
    calls = layers_of(simulation)
    first = [
        torch.randn(len(layers[0]), envs, layers[0].shape[1], device=run.device).to(layers[0].dtype)
        for layers in calls
    ]

    def step() -> None:
        for rows, layers in zip(first, calls, strict=True):
            for weight in layers:
                rows = rows @ weight

    operations = 2 * sum(weight.numel() for layers in calls for weight in layers)
    with precision(numbers):
        speed = run.pace(step, envs)
    return {"speed": speed, "operations": operations}


def rollouts(run: Run) -> None:
    """Measure `Simulation.rollout`."""
    for engine, numbers in ways(run):
        # One for all sizes, so that it is compiled once.
        make = cache(partial(made, engine, numbers, run.task, run.device))
        for envs in run.sizes:
            run.attempt(
                partial(rolled_out, run, make, numbers, envs),
                what="Simulation.rollout",
                how=f"{engine}, {numbers}",
                envs=envs,
            )


@torch.no_grad()
def rolled_out(run: Run, make: Callable[[], Simulation], numbers: str, envs: int) -> Row:
    """Roll random actions out, from where episodes begin."""
    simulation = make()
    state = simulation.reset(envs)
    actions = torch.rand(envs, ROLLOUT_STEPS, simulation.task.spec.nu, device=run.device) * 2 - 1
    try:
        with precision(numbers), nothing_falls_back():
            speed = run.pace(lambda: simulation.rollout(state, actions), envs * ROLLOUT_STEPS)
    finally:
        if isinstance(simulation, RecordedSimulation):
            simulation.forget()
    return {"speed": speed}


def environments(run: Run) -> None:
    """Measure `gym.make_vec(..., tensors=True)`, by default and without disagreement."""
    for cut in ("auto", None):
        label = "" if cut else ", max_disagreement=None"
        for engine, numbers in ways(run, without=(REDUCED,)):
            advance = cache(partial(stepped, run, engine, numbers, cut))
            for envs in run.sizes:
                run.attempt(
                    partial(vector_stepped, run, advance, numbers, cut, envs),
                    what=f"make_vec, tensors=True{label}",
                    how=f"{engine}, {numbers}",
                    envs=envs,
                )


def options(run: Run, numbers: str, cut: str | None) -> dict[str, Any]:
    """Return the options of environments in a precision."""
    kind = "bfloat16" if numbers == "bfloat16" else "float32"
    return {"device": run.device, "precision": kind, "max_disagreement": cut, "tensors": True}


def stepped(run: Run, engine: str, numbers: str, cut: str | None) -> Callable[..., Any]:
    """Return what takes the steps of environments in one of the ways, of any number of them."""
    compile = engine in (COMPILED, BOTH)
    envs: Any = gym.make_vec(
        registry.env_id(run.task), num_envs=1, compile=compile, **options(run, numbers, cut)
    )
    step: Callable[..., Any] = envs.unwrapped._core.advance
    return Recorded(step) if engine in (GRAPH, BOTH) else step


def vector_stepped(
    run: Run, advance: Callable[[], Any], numbers: str, cut: str | None, envs: int
) -> Row:
    """Step environments under random actions."""
    step = advance()
    vector: Any = gym.make_vec(
        registry.env_id(run.task), num_envs=envs, compile=False, **options(run, numbers, cut)
    )
    # Only their step is taken another way: what begins new episodes draws random numbers anew.
    vector.unwrapped._core.advance = step
    nu = vector.single_action_space.shape
    actions = [torch.rand(envs, *nu, device=run.device) * 2 - 1 for _ in range(4)]
    turn = iter(range(10**9))
    try:
        with closing(vector), precision(numbers), nothing_falls_back():
            vector.reset(seed=0)
            speed = run.pace(lambda: vector.step(actions[next(turn) % 4]), envs)
    finally:
        if isinstance(step, Recorded):
            step.forget()
    return {"speed": speed}


def mjx(run: Run) -> None:
    """Measure MJX on JAX's device: physics alone, without observations, rewards and episodes."""
    # The first size alone would show nothing: compiling takes the most of the time.
    for envs in sorted(run.sizes, key=lambda size: abs(size - run.sizes[len(run.sizes) // 2])):
        run.attempt(partial(mjx_stepped, run, envs), what="MJX", how="float32", envs=envs)


def mjx_stepped(run: Run, envs: int) -> Row:
    """Step MJX's systems under random actions."""
    if not (installed("mujoco.mjx") and installed("jax")):
        return {"failure": "not installed: pip install mujoco-mjx"}
    import jax
    from stepping import mjx_physics

    with mjx_physics(run.task, envs) as step:
        speed = run.pace(step, envs)
    return {"speed": speed, "device": str(jax.devices()[0])}
