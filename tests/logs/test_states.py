import msgspec
import numpy as np
import pytest

from learned_envs.logs.check import check
from learned_envs.logs.delay import find_delay
from learned_envs.logs.recordings import open_runs
from learned_envs.logs.smoothing import CausalFilter, Smoothing
from learned_envs.logs.states import States, rows_of, usual_step
from learned_envs.logs.stretch import Cuts, stretches


def jittered(seed=0, rows=400, noise=1e-3):
    rng = np.random.default_rng(seed)
    time = np.arange(rows) * 0.02 + rng.uniform(-0.003, 0.003, rows)
    place = np.sin(3 * time) + 0.3 * np.sin(11 * time)
    speed = 3 * np.cos(3 * time) + 3.3 * np.cos(11 * time)
    return time, place + rng.normal(0, noise, rows), place, speed


def test_a_smoother_is_better_than_differences_and_knows_the_noise():
    time, measured, place, speed = jittered()
    smoothing = Smoothing.of(time, measured)
    found, derived = smoothing(time, measured, time)
    inner = slice(5, -5)
    plain = np.gradient(measured, time)
    # Measured: 0.019 and 0.043; the noise is half gone from positions.
    assert (derived - speed)[inner].std() < 0.6 * (plain - speed)[inner].std()
    assert (found - place).std() < 0.8e-3
    assert smoothing.noise == pytest.approx(1e-3, rel=0.2)


def test_a_causal_filter_does_not_look_ahead():
    _, measured, _, speed = jittered()
    filtered = CausalFilter.of(0.02, measured)
    _, velocity = filtered(measured)
    changed = measured.copy()
    changed[200:] = 7.0
    _, other = filtered(changed)
    assert np.array_equal(velocity[:200], other[:200]) and velocity[200] != other[200]
    # As it comes, measurement by measurement, it is the same.
    state = None
    for row in range(200):
        state = filtered.step(state, measured[row])
        assert state[1] == velocity[row]
    assert (velocity - speed)[50:].std() < 0.2 * speed.std()


def test_rows_that_are_steady_stay_as_they_are(arm_map):
    from learned_envs.logs.stretch import Stretch, Track

    joints = tuple(msgspec.structs.replace(j, velocity=f"v_{j.name}") for j in arm_map.joints)
    log_map = msgspec.structs.replace(arm_map, joints=joints)
    rng = np.random.default_rng(0)
    names = [column for _, column in log_map.columns()]
    values = {name: rng.uniform(-1, 1, 50) for name in names}
    stretch = Stretch("here", {"": Track(np.arange(50) * 0.02, values, 0)})
    episode = States(log_map, 0.02).episode(stretch)
    assert np.array_equal(episode.qpos[:, 0], values["q_shoulder"])
    assert np.array_equal(episode.qvel[:, 1], values["v_elbow"])
    assert np.array_equal(episode.actions[:, 0], values["cmd_shoulder"][:-1].astype(np.float32))


def test_a_robot_that_rests_at_first_is_smoothed_as_one_that_does_not(
    arm_csv, arm_logs, arm_map, tmp_path
):
    rng = np.random.default_rng(0)
    rest = {name: column[:1] for name, column in arm_logs[0].columns.items()}
    names = [*rest]
    lines = [",".join(names)]
    for row in range(240):
        values = [rest[n][0] + (n.startswith("q") and rng.normal(0, 1e-3)) for n in names[1:]]
        lines.append(",".join(map(repr, [0.02 * row, *map(float, values)])))
    for file in arm_csv.glob("*.csv"):
        (tmp_path / file.name).write_text(file.read_text())
    (tmp_path / "00.csv").write_text("\n".join(lines))
    moving, resting = (
        check(path, arm_map).states.smoothing.chosen["q_shoulder"] for path in (arm_csv, tmp_path)
    )
    assert resting == moving


def test_actions_set_the_step_whatever_is_measured_more_often(
    arm_logs, log_files, ros_map, tmp_path, monkeypatch
):
    every = log_files._messages

    def some(*args, **kwargs):
        for index, message in enumerate(every(*args, **kwargs)):
            if message[0] != "/commands" or index // 2 % 4 == 0:
                yield message

    monkeypatch.setattr(log_files, "_messages", some)
    for index, log in enumerate(arm_logs[:2]):
        log_files.write_mcap(log, tmp_path / str(index))
    assert check(tmp_path, ros_map).states.dt == pytest.approx(0.08, rel=0.02)


def test_states_are_close_to_the_clean_ones(arm_csv, arm_logs, arm_map):
    cuts = Cuts()
    found = list(stretches(open_runs(arm_csv), arm_map, cuts))
    assert usual_step(cuts.steps, arm_map) == 0.02
    states = States(arm_map, 0.02, delay=2)
    episode, clean = states.episode(found[0]), arm_logs[0].clean
    rows = len(episode.qpos)
    # Two rows are taken to know what was told before.
    assert np.abs(episode.qpos - clean["q"][2 : rows + 2]).std() < 3e-3
    off = (episode.qvel - clean["v"][2 : rows + 2]).std(0)
    assert (off < 0.1 * clean["v"].std(0)).all()
    # What has its effect at a row was told two rows before.
    told = clean["u"].astype(np.float32)
    pending = episode.columns["env._pending"].reshape(rows, 2, 2)
    assert np.array_equal(pending[:, 0], told[:rows].astype(float))
    assert np.array_equal(episode.actions, told[2 : rows + 1])


@pytest.mark.parametrize("delay", [0, 1, 3, 5])
def test_the_delay_is_found_to_the_sample(delay):
    rng = np.random.default_rng(delay)
    rows, runs = 600, []
    for _ in range(2):
        u = np.clip(np.cumsum(rng.normal(0, 0.3, (rows, 1)), 0), -2, 2)
        q, v = np.zeros((rows, 1)), np.zeros(1)
        for row in range(1, rows):
            told = u[row - 1 - delay] if row > delay else np.zeros(1)
            v = v + 0.02 * (8 * told - 10 * q[row - 1] - 1.5 * v)
            q[row] = q[row - 1] + 0.02 * v
        time = np.arange(rows) * 0.02
        runs.append((time, q + rng.normal(0, 1e-4, q.shape), u))
    found = find_delay(runs)
    assert found.steps == delay and found.confidence > 0.9


def test_a_delay_is_found_in_recordings(arm_csv, arm_map):
    found = stretches(open_runs(arm_csv), arm_map)
    assert find_delay([rows_of(each, arm_map) for each in found]).steps == 2


def test_actions_without_an_effect_have_no_delay():
    rng = np.random.default_rng(0)
    time = np.arange(500) * 0.02
    q = np.stack([np.sin(3 * time), np.cos(2 * time)], 1) + rng.normal(0, 1e-3, (500, 2))
    assert find_delay([(time, q, rng.normal(size=(500, 2)))]) is None
    assert find_delay([(time, q, np.empty((500, 0)))]) is None
