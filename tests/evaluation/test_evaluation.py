"""Errors are measured in the units that every table uses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from learned_envs import registry
from learned_envs.collect.collection import collect
from learned_envs.data.recording import Episode, Recording
from learned_envs.data.trajectories import Trajectories
from learned_envs.dynamics import Ensemble
from learned_envs.dynamics.second_order import SecondOrder
from learned_envs.errors import DatasetError
from learned_envs.evaluation.evaluation import (
    Yardstick,
    compare,
    evaluate,
    model_of,
    offset,
    stay_at_the_end,
)
from learned_envs.evaluation.sensors import sensor_figures
from learned_envs.evaluation.twin import twin
from learned_envs.kinematics import Kinematics
from learned_envs.simulation import Simulation
from learned_envs.state import State


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return collect("Hopper", 3000, tmp_path_factory.mktemp("hopper") / "d", workers=1).load()


@pytest.fixture(scope="module")
def simulation(spec):
    torch.manual_seed(0)
    dynamics = Ensemble(SecondOrder(hidden=(16,)), spec("Hopper"), 2)
    return Simulation(registry.task_class("Hopper").create(spec("Hopper"), {}), dynamics)


@pytest.fixture(scope="module")
def yardstick(recording, simulation, spec):
    trajectories = Trajectories.of(recording, spec("Hopper"))
    return Yardstick.of(trajectories, simulation.dynamics.kinematics, spec("Hopper").cyclic)


def test_the_error_is_the_mean_of_squares_in_units_of_the_spread(recording, yardstick):
    rows = np.random.default_rng(0).integers(len(recording.qpos), size=(2, 50))
    q, v = recording.qpos[rows], recording.qvel[rows]
    off = np.concatenate([(q[0] - q[1])[:, 1:], v[0] - v[1]], 1)
    spread = np.concatenate([recording.qpos.std(0, ddof=1)[1:], recording.qvel.std(0, ddof=1)])
    states = [State(torch.tensor(q[i]).float(), torch.tensor(v[i]).float()) for i in range(2)]
    # float32 rounding of states and spreads
    assert np.allclose(yardstick.error(*states), ((off / spread) ** 2).mean(1), rtol=1e-4)


@pytest.mark.parametrize("task", ["Hopper", "Ant"])
def test_states_of_mujocos_type_are_compared_with_a_models(task, spec):
    kinematics = Kinematics(spec(task))
    generator = torch.Generator().manual_seed(0)
    q = torch.tensor(spec(task).q0) + torch.rand(4, spec(task).nq, generator=generator).double()
    v = torch.rand(4, spec(task).nv, generator=generator).double()
    coarse = State(q.float(), v.float())
    fine = offset(kinematics, coarse, State(q + 1e-3, v + 1e-3))
    assert fine.dtype == torch.float64
    torch.testing.assert_close(
        fine.float(), offset(kinematics, coarse, State((q + 1e-3).float(), (v + 1e-3).float()))
    )


def test_travel_along_the_ground_does_not_count(recording, yardstick):
    q = torch.tensor(recording.qpos[:20]).float()
    v = torch.tensor(recording.qvel[:20]).float()
    further = q + torch.tensor([100.0, 0, 0, 0, 0, 0])
    assert (yardstick.error(State(further, v), State(q, v)) == 0).all()


def test_a_twin_errs_by_its_noise_alone(recording, simulation, spec):
    # The recording goes on after falls; a twin by the task's own rules would stay there.
    endless = {"terminate_when_unhealthy": False}
    task = registry.task_class("Hopper").create(spec("Hopper"), endless)
    predictors = {f"{noise:.0e}": twin("Hopper", task, recording, noise) for noise in (0.0, 1e-6)}
    report = compare(recording, simulation, predictors, (1, 10), 50)
    # The recording is handed out in float32: (1e-7 / 0.05)^2 is below 1e-11
    assert max(report.curve("0e+00").mean) < 1e-11
    # Squared noise over squared spreads, from 0.05 to 5; measured 4e-12 after 1 and 10 steps
    assert all(1e-13 < error < 1e-10 for error in report.curve("1e-06").median)
    assert min(report.curve("hold").median) > 1e-4


def test_an_episode_stays_where_it_ended(simulation):
    heights = [1.25, 1.0, 0.6, 0.5, 1.2]
    states = [State(torch.tensor([[0, z, 0, 0, 0, 0.0]]), torch.zeros(1, 6)) for z in heights]
    stayed = [s.q[0, 1].item() for s in stay_at_the_end(simulation.task, states)]
    # float32 rounding
    assert stayed == pytest.approx([1.25, 1.0, 0.6, 0.6, 0.6], abs=1e-6)


def test_going_past_the_end_is_asked_for(recording, simulation):
    held = Trajectories.of(recording, simulation.task.spec)
    window = held.window(held.draw((20,), 10, torch.Generator().manual_seed(0)), 10)
    ends = model_of(simulation)(window)
    goes_on = model_of(simulation, past_the_end=True)(window)
    plain = simulation.rollout(window.start, window.actions).states
    assert torch.equal(goes_on[9].q, plain.q[:, 10])
    assert len(ends) == len(goes_on) == 10


def test_horizons_that_no_episode_reaches_are_left_out(recording, simulation):
    longest = int(recording.lengths.max())
    report = evaluate(simulation, recording, (1, longest, longest + 1), 20)
    assert report.horizons == (1, longest)
    with pytest.raises(DatasetError, match=str(longest)):
        evaluate(simulation, recording, (longest + 1,), 20)


def test_a_few_long_episodes_do_not_set_the_horizons(recording, simulation):
    def cut(index, steps):
        rows = slice(recording.offsets[index], recording.offsets[index] + steps + 1)
        told = {n: getattr(recording, n)[rows] for n in ("qpos", "qvel", "observations")}
        acted = {n: getattr(recording, n)[rows][:-1] for n in ("actions", "rewards")}
        return Episode(**told, **acted, terminated=False, truncated=True, seed=0, actor="random")

    longest = int(recording.lengths.argmax())
    short = [cut(index, 30) for index in np.flatnonzero(recording.lengths >= 30)]
    held = Recording.of([*short, cut(longest, int(recording.lengths[longest]))])
    assert evaluate(simulation, recording, trajectories=20).horizons == (1, 10, 25, 50, 100)
    assert evaluate(simulation, held, trajectories=20).horizons == (1, 10, 25)


def test_seeds_make_two_evaluations_equal(recording, simulation):
    reports = [evaluate(simulation, recording, (1, 5), 50, seed=s) for s in (0, 0, 1)]
    assert reports[0] == reports[1] != reports[2]


def test_only_sensors_that_vary_have_an_error(recording, simulation, double_pendulum_data):
    assert sensor_figures(simulation, recording) == {}
    data, task = double_pendulum_data, registry.task_class("InvertedDoublePendulum")
    model = Ensemble(SecondOrder(hidden=(16,)), data.spec, 2, task.sensors)
    double = Simulation(task.create(data.spec, {}), model)
    recording = data.load()
    assert list(sensor_figures(double, recording)) == [sensor.name for sensor in task.sensors]
    untouched = replace(recording, observations=np.zeros_like(recording.observations))
    assert sensor_figures(double, untouched) == {}
