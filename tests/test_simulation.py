import warnings
from dataclasses import asdict

import pytest
import torch
from grids import WRITTEN
from marks import needs_compiler

from learned_envs import registry
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.simulation import Simulation
from learned_envs.state import State


@pytest.fixture(params=WRITTEN)
def simulation(request, spec):
    """An untrained model in float64 whose changes have a plausible size."""
    torch.manual_seed(0)
    described = spec(request.param)
    task = registry.task_class(request.param).create(described, {})
    dynamics = Ensemble(SecondOrder(hidden=(32, 32)), described, 3, task.sensors)
    dynamics.model.acceleration.spread.fill_(10.0)
    dynamics.model.correction.spread.fill_(0.01)
    return Simulation(task, dynamics.double())


def bounded(simulation, reach):
    """Make the data's range the start and `reach` about it."""
    spec = simulation.task.spec
    q0 = torch.tensor(spec.q0, dtype=torch.float64)
    model = simulation.dynamics
    model.q_low.copy_(q0 - reach), model.q_high.copy_(q0 + reach)
    model.v_low.fill_(-reach), model.v_high.fill_(reach)
    return simulation


def random_actions(simulation, *shape, seed=0):
    g = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(*shape, simulation.task.spec.nu, generator=g, dtype=torch.float64) - 1


def test_seeded_resets_are_equal_and_others_are_not(simulation):
    a, b, c = (simulation.reset(8, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a.q, b.q) and torch.equal(a.memory["member"], b.memory["member"])
    assert not torch.equal(a.q, c.q)


def test_gradient_of_a_ten_step_return_with_respect_to_actions(simulation):
    # Rewards that count a threshold, as the pendulum's, have no gradient: add where it ends.
    state = simulation.reset(2, torch.Generator().manual_seed(0), mean=True)

    def returns(actions):
        trajectory = simulation.rollout(state, actions)
        return trajectory.rewards.sum(1) + trajectory.observations[:, -1].sum(-1)

    actions = (0.5 * random_actions(simulation, 2, 10)).requires_grad_(True)
    # gradcheck's own bounds: relative 1e-3, absolute 1e-5
    assert torch.autograd.gradcheck(returns, (actions,), eps=1e-6, atol=1e-5)


def test_a_rollout_is_repeated_steps(simulation):
    actions = random_actions(simulation, 4, 6)
    state = simulation.reset(4, torch.Generator().manual_seed(0))
    trajectory = simulation.rollout(state, actions)
    for t in range(6):
        assert torch.equal(trajectory.states.q[:, t], state.q)
        step = simulation.step(state, actions[:, t])
        assert torch.equal(trajectory.rewards[:, t], step.reward)
        assert torch.equal(trajectory.observations[:, t], step.observation)
        state = step.state


def test_a_policy_acts_on_what_it_sees(simulation):
    nu = simulation.task.spec.nu
    seen = []

    def policy(observation):
        seen.append(observation)
        return observation[:, :nu].tanh()

    state = simulation.reset(3, torch.Generator().manual_seed(0))
    trajectory = simulation.rollout(state, policy, horizon=5)
    assert torch.equal(seen[0], simulation.task.observation(state))
    assert torch.equal(seen[3], trajectory.observations[:, 2])
    actions = torch.stack([o[:, :nu].tanh() for o in seen], 1)
    again = simulation.rollout(state, actions)
    assert torch.equal(again.states.q, trajectory.states.q)


def test_alive_ends_with_the_episode(simulation):
    trajectory = simulation.rollout(
        simulation.reset(16, torch.Generator().manual_seed(0)), random_actions(simulation, 16, 60)
    )
    after = State(trajectory.states.q[:, 1:], trajectory.states.v[:, 1:])
    ended = simulation.task.terminated(after).cumsum(1) > 0
    assert trajectory.alive[:, 0].all()
    assert torch.equal(trajectory.alive[:, 1:], ~ended[:, :-1])


def test_actions_move_like_clamped_ones_and_cost_like_raw_ones(simulation):
    state = simulation.reset(4, torch.Generator().manual_seed(0))
    raw = 50 * random_actions(simulation, 4)
    low, high = simulation.dynamics.control_low, simulation.dynamics.control_high
    beyond, clamped = simulation.step(state, raw), simulation.step(state, raw.clamp(low, high))
    assert torch.equal(beyond.state.q, clamped.state.q)
    if simulation.task.spec.reference_id == "Hopper-v5":
        cost = 1e-3 * (raw.square() - raw.clamp(low, high).square()).sum(-1)
        # float64 rounding
        assert torch.allclose(clamped.reward - beyond.reward, cost, rtol=0, atol=1e-12)


def test_a_diverged_step_keeps_the_last_state_and_says_so(simulation):
    simulation = bounded(simulation, 1e-4)
    state = simulation.reset(4, torch.Generator().manual_seed(0))
    step = simulation.step(state, random_actions(simulation, 4))
    assert step.diverged.all() and not step.terminated.any()
    assert torch.equal(step.state.q, state.q)
    assert step.reward.isfinite().all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_no_nan_leaves_a_step(simulation, bad):
    with torch.no_grad():
        for parameter in simulation.dynamics.parameters():
            parameter.fill_(bad)
    state = simulation.reset(4, torch.Generator().manual_seed(0))
    step = simulation.step(state, random_actions(simulation, 4))
    assert step.diverged.all()
    for tensor in (step.state.q, step.state.v, step.observation, step.reward):
        assert tensor.isfinite().all()


def test_rewards_do_not_coarsen_far_from_the_start(spec):
    torch.manual_seed(0)
    described = spec("Hopper")
    dynamics = Ensemble(SecondOrder(hidden=(32,)), described, 1)
    simulation = Simulation(registry.task_class("Hopper").create(described, {}), dynamics)
    here = simulation.reset(4, torch.Generator().manual_seed(0))
    far = State(here.q + torch.tensor([1e5, 0, 0, 0, 0, 0]), here.v, here.memory)
    action = torch.zeros(4, 3)
    assert torch.equal(simulation.step(here, action).reward, simulation.step(far, action).reward)


# Tensors of the meta device have no values: whatever would wait for a GPU to look at one raises
# there, and so does what is left on the CPU.
@pytest.mark.parametrize("disagreement", [False, True])
def test_off_the_cpu_a_step_looks_at_no_value(simulation, disagreement):
    state = simulation.reset(100).to("meta")
    action = random_actions(simulation, 100).to("meta")
    simulation.dynamics.to("meta")
    with torch.no_grad():
        step = simulation.step(state, action, disagreement)
    assert step.reward.device.type == "meta"
    assert (step.disagreement is None) == (not disagreement)


@pytest.mark.parametrize("disagreement", [False, True])
def test_a_large_batch_steps_in_pieces_as_it_would_at_once(monkeypatch, disagreement):
    loaded = Simulation.load("Hopper")
    state = loaded.reset(1000, torch.Generator().manual_seed(0))
    action = random_actions(loaded, 1000).float()
    with torch.no_grad():
        whole = loaded.step(state, action, disagreement)
        monkeypatch.setattr("learned_envs.stepping.CACHED_ROWS", 900)
        pieces = loaded.step(state, action, disagreement)
    # Products of other sizes round in another order: 1e-6 measured.
    torch.testing.assert_close(asdict(pieces), asdict(whole), rtol=1e-5, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize("disagreement", [False, True])
def test_compiled_steps_are_the_eager_ones(disagreement):
    eager = Simulation.load("Hopper")
    compiled = eager.compiled()
    # Two sizes: the code must not be of the first one alone.
    for batch in (256, 300):
        state = eager.reset(batch, torch.Generator().manual_seed(0))
        action = random_actions(eager, batch).float()
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("error", UserWarning)
            ours = compiled.step(state, action, disagreement)
        theirs = eager.step(state, action, disagreement)
        # Rounding in another order: 1e-6 measured.
        torch.testing.assert_close(ours.state.v, theirs.state.v, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours.observation, theirs.observation, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours.reward, theirs.reward, rtol=1e-5, atol=1e-5)
        assert torch.equal(ours.terminated, theirs.terminated)
        assert (ours.disagreement is None) == (not disagreement)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compiled", [False, True])
def test_a_gpu_steps_as_the_cpu_does(compiled):
    cpu, gpu = Simulation.load("Hopper"), Simulation.load("Hopper", "cuda")
    gpu = gpu.compiled() if compiled else gpu
    state = cpu.reset(300, torch.Generator().manual_seed(0))
    action = random_actions(cpu, 300).float()
    with torch.no_grad():
        ours, theirs = gpu.step(state.to("cuda"), action.cuda()), cpu.step(state, action)
    torch.testing.assert_close(ours.state.v.cpu(), theirs.state.v, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.reward.cpu(), theirs.reward, rtol=1e-4, atol=1e-4)


def test_without_a_compiler_steps_run_uncompiled_after_one_warning(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    eager = Simulation.load("Hopper")
    compiled = eager.compiled()
    state, action = eager.reset(4), torch.zeros(4, 3)
    with torch.no_grad():
        with pytest.warns(UserWarning, match="No native code"):
            first = compiled.step(state, action)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again = compiled.step(state, action)
        assert torch.equal(first.state.q, again.state.q)
        assert torch.equal(first.state.q, eager.step(state, action).state.q)


def test_bfloat16_stays_close_and_leaves_states_in_float32():
    plain = Simulation.load("Hopper")
    reduced = plain.to_bfloat16()
    state = plain.reset(100, torch.Generator().manual_seed(0))
    action = random_actions(plain, 100).float()
    ours, theirs = reduced.step(state, action), plain.step(state, action)
    assert ours.state.v.dtype is torch.float32
    off = (ours.state.v - theirs.state.v) / plain.dynamics.change_spread
    # bfloat16 has three digits: 0.01 of a step's spread measured.
    assert 0 < off.abs().max() < 0.05
    assert plain.dynamics.model.network.layers[0].weight.dtype is torch.float32


# A somersault leads on: pitch counts turns, and no number of them is far from the data.
def test_turns_of_an_unlimited_joint_never_leave_the_envelope():
    simulation = Simulation.load("HalfCheetah")
    state = simulation.reset(8, torch.Generator().manual_seed(0), mean=True)
    turned = state.q.clone()
    turned[:, 2] += 2 * torch.pi * 20
    action = random_actions(simulation, 8).float()
    level = simulation.step(state, action)
    after = simulation.step(State(turned, state.v, state.memory), action)
    assert not level.diverged.any() and not after.diverged.any()
    torch.testing.assert_close(after.state.v, level.state.v, atol=1e-3, rtol=1e-3)
