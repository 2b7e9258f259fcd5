import msgspec
import numpy as np
import pytest

from learned_envs.errors import LogError
from learned_envs.logs.check import check
from learned_envs.logs.guess import guessed
from learned_envs.logs.map import BaseMap, JointMap, LogMap, ObservedMap, Time


def write(path, columns):
    rows = zip(*(np.asarray(c).tolist() for c in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(map(repr, row)) for row in rows)]
    path.write_text("\n".join(lines))


def told(checked, level):
    return [f"{f.channel}: {f.what}" for f in checked.findings if f.level == level]


@pytest.fixture
def folder(arm_logs, tmp_path):
    """Write recordings of which one column is changed."""

    def make(name=None, change=lambda values: values, logs=arm_logs, more=()):
        for index, log in enumerate(logs):
            columns = dict(log.columns)
            for add, compute in more:
                columns[add] = compute(log)
            if name is not None:
                columns[name] = change(columns[name])
            write(tmp_path / f"{index}.csv", columns)
        return tmp_path

    return make


def with_velocity(arm_map, column="v"):
    first, second = arm_map.joints
    changed = (msgspec.structs.replace(first, velocity=column), second)
    return msgspec.structs.replace(arm_map, joints=changed)


def slope(log):
    return np.gradient(log.joints["q_shoulder"], log.time)


def test_what_is_as_it_should_be(folder, arm_map):
    checked = check(folder(), arm_map)
    assert checked.fit and not told(checked, "error")
    assert checked.states.dt == 0.02
    assert checked.delay.steps == 2 and checked.delay.confidence > 0.8
    mended = " ".join(told(checked, "mended"))
    assert "jitter" in mended and "2 pauses" in mended
    # Velocities are derived, so their noise is known: it was made with 1e-3.
    assert 2e-4 < checked.states.smoothing.chosen["q_shoulder"].noise < 3e-3


@pytest.mark.parametrize(
    ("name", "change", "level", "words"),
    [
        ("q_elbow", np.rad2deg, "error", "looks like degrees"),
        ("cmd_elbow", np.zeros_like, "error", "never moves"),
        ("q_elbow", lambda q: np.where(np.arange(len(q)) > 100, q[100], q), "warning", "change"),
        ("q_elbow", lambda q: np.clip(q, *np.quantile(q, (0.1, 0.9))), "warning", "value"),
        ("q_elbow", lambda q: (q + np.pi) % (2 * np.pi) - np.pi, "mended", "unwrapped"),
        ("cmd_shoulder", lambda u: np.random.default_rng(0).permutation(u), None, None),
        ("time", lambda t: np.where(np.arange(len(t)) == 50, t[49], t), "mended", "repeat"),
        ("time", lambda t: np.where(np.arange(len(t)) > 120, t - 1.0, t), "warning", "runs back"),
    ],
)
def test_what_single_columns_show(folder, arm_map, name, change, level, words):
    checked = check(folder(name, change), arm_map)
    if level is not None:
        assert any(words in each for each in told(checked, level)), checked.findings
    assert checked.fit == (level != "error")


@pytest.mark.parametrize(
    ("name", "change", "level", "words"),
    [
        ("time", lambda t: 1000 * t, "error", "another step"),
        ("time", lambda t: 2 * t, "warning", "another step"),
        ("q_elbow", lambda q: q + 1000, "warning", "in the others"),
        ("wheel", lambda q: q, "note", "'wheel'"),
    ],
)
def test_a_recording_that_is_unlike_the_others(
    folder, arm_map, arm_logs, name, change, level, words
):
    path, columns = folder(), dict(arm_logs[2].columns)
    columns[name] = change(columns.get(name, columns["q_elbow"]))
    write(path / "2.csv", columns)
    checked = check(path, arm_map)
    (found,) = (each for each in told(checked, level) if words in each)
    assert str(path / "2.csv") in found and checked.fit == (level != "error")


def test_a_recording_without_rows(folder, arm_map):
    path = folder()
    (path / "2.csv").write_text((path / "2.csv").read_text().splitlines()[0] + "\n")
    assert any(
        "2.csv" in each and "no row" in each for each in told(check(path, arm_map), "warning")
    )


def test_robots_that_rest_most_of_the_time(arm_logs, arm_map, tmp_path):
    rng = np.random.default_rng(0)
    for index, log in enumerate(arm_logs):
        rows = np.minimum(np.arange(len(log.time)), 60)
        joints = {n: q[rows] + rng.normal(0, 1e-4, len(q)) for n, q in log.joints.items()}
        write(tmp_path / f"{index}.csv", {**log.columns, **joints})
    (rest,) = (
        each for each in told(check(tmp_path, arm_map), "warning") if "nothing moves" in each
    )
    assert 60 < int(rest.split("in ")[1].split("%")[0]) < 80


def test_actions_that_explain_nothing(folder, arm_map):
    rng = np.random.default_rng(0)
    path = folder("cmd_elbow", lambda u: rng.normal(size=len(u)))
    path = folder(
        "cmd_shoulder",
        lambda u: rng.normal(size=len(u)),
        more=[("cmd_elbow", lambda log: rng.normal(size=len(log.time)))],
    )
    assert any("explain nothing" in each for each in told(check(path, arm_map), "warning"))


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1.0, None), (-1.0, "opposite sign"), (180 / np.pi, "looks like deg"), (3.0, "factor of")],
)
def test_velocities_are_compared_with_derivatives(folder, arm_map, factor, words):
    path = folder(more=[("v", lambda log: factor * slope(log))])
    errors = told(check(path, with_velocity(arm_map)), "error")
    assert (not errors) if words is None else words in errors[0]


def test_another_joints_velocity_is_no_derivative(folder, arm_map):
    path = folder(more=[("v", lambda log: np.gradient(log.joints["q_elbow"], log.time))])
    assert "not the derivative" in told(check(path, with_velocity(arm_map)), "error")[0]


def test_one_episode_cannot_be_held_out(folder, arm_map, arm_logs):
    assert "one episode" in told(check(folder(logs=arm_logs[:1]), arm_map), "error")[0]


def turning(seed, order, frame, flip=False, axes=(0, 1, 2)):
    """A body that turns smoothly about changing axes, and moves."""
    from scipy.spatial.transform import Rotation

    time = np.arange(300) * 0.01
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 6, 3)
    body = np.stack([2 * np.sin((1 + i) * time + phases[i]) for i in range(3)], 1)
    rotation, quaternions = Rotation.identity(), []
    for rate in body:
        quaternions.append(rotation.as_quat(scalar_first=order == "wxyz"))
        rotation = rotation * Rotation.from_rotvec(rate * 0.01)
    q = np.array(quaternions)
    turned = Rotation.from_quat(q, scalar_first=order == "wxyz")
    angular = turned.apply(body) if frame == "world" else body
    if flip:
        q[100:] *= -1
    place = np.stack([np.sin(time), np.cos(time), 1 + 0.1 * time], 1)
    return {
        "time": time,
        **{f"p{a}": place[:, i] for i, a in enumerate("xyz")},
        **{f"q{i}": q[:, i] for i in range(4)},
        **{f"w{a}": angular[:, axes[i]] for i, a in enumerate("xyz")},
    }


def base_map(**kwargs):
    base = BaseMap(
        position=("px", "py", "pz"),
        orientation=("q0", "q1", "q2", "q3"),
        angular_velocity=("wx", "wy", "wz"),
        **kwargs,
    )
    return LogMap(time=Time(column="time"), base=base)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"order": "wxyz", "frame": "body"}, None),
        ({"order": "wxyz", "frame": "body", "flip": True}, "sign"),
        ({"order": "wxyz", "frame": "world"}, "world frame"),
        ({"order": "wxyz", "frame": "body", "axes": (1, 0, 2)}, "order yxz"),
    ],
)
def test_a_free_bodys_frames_and_axes(tmp_path, made, words):
    for seed in range(2):
        write(tmp_path / f"{seed}.csv", turning(seed, **made))
    checked = check(tmp_path, base_map())
    errors = told(checked, "error")
    if words == "sign":
        assert not errors and any(words in each for each in told(checked, "mended"))
    elif words is None:
        assert not errors
    else:
        assert words in errors[0]


def test_four_columns_that_are_no_unit_quaternion(tmp_path):
    for seed in range(2):
        columns = turning(seed, "wxyz", "body")
        columns["q1"] = 2 * columns["q1"] + 0.3
        write(tmp_path / f"{seed}.csv", columns)
    assert "length goes" in told(check(tmp_path, base_map()), "error")[0]


def test_a_first_map_is_guessed_from_names(arm_csv, tmp_path):
    file = tmp_path / "arm.toml"
    file.write_text(guessed(arm_csv))
    found = LogMap.read(file)
    assert [joint.name for joint in found.joints] == ["shoulder", "elbow"]
    assert [action.joint for action in found.actions] == ["shoulder", "elbow"]
    assert found.time.column == "time"
    assert check(arm_csv, found).fit


def test_maps_that_say_what_a_map_cannot(tmp_path):
    file = tmp_path / "map.toml"
    for text, words in (
        ("name = ", "is no map"),
        ('speed = 1\n[[joints]]\nname = "a"\nposition = "q"', "unknown field"),
        ('name = "x"', r"no \[\[joints\]\]"),
        ('[[joints]]\nname = "a"\nposition = "q"\nunit = "feet"', "feet"),
        ('[[joints]]\nname = "a"\nposition = "q"\n[[actions]]\ncolumn = "q"', "twice"),
    ):
        file.write_text(text)
        with pytest.raises(LogError, match=words):
            LogMap.read(file)
    with pytest.raises(LogError, match="--write-map"):
        LogMap.read(tmp_path / "none.toml")


def test_files_of_different_robots(arm_csv, arm_map, tmp_path):
    (tmp_path / "0.csv").write_text((arm_csv / "0.csv").read_text())
    other = (arm_csv / "2.csv").read_text().replace("q_elbow", "q_wrist", 1)
    (tmp_path / "1.csv").write_text(other)
    with pytest.raises(LogError, match=r"1\.csv has no column 'q_elbow'"):
        check(tmp_path, arm_map)


def test_what_is_observed_beside(folder, arm_map):
    path = folder(more=[("current", lambda log: np.abs(log.commands["cmd_elbow"]))])
    observed = (ObservedMap(column="current"),)
    assert check(path, msgspec.structs.replace(arm_map, observed=observed)).fit
    assert JointMap(name="a", position="b").kind == "hinge"
