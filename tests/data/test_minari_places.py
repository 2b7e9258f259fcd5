"""Where Minari's datasets lie, in which formats, and what they say of their environments."""

import dataclasses
import json
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from episodes import assert_equal, make_episode
from gymnasium.wrappers import ClipAction, RecordEpisodeStatistics, RescaleAction

from learned_envs.collect.recorder import Recorder
from learned_envs.data.dataset import Dataset
from learned_envs.data.minari import export_minari, import_minari
from learned_envs.data.source import open_dataset
from learned_envs.errors import DatasetError, DependencyError, OutputError, ParameterError
from learned_envs.systems.reference import make_reference

minari = pytest.importorskip("minari")
pytest.importorskip("h5py")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "root"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "root"


class Full(minari.StepDataCallback):
    """Records full states."""

    def __call__(self, env, **rest):
        data = env.unwrapped.data
        info = {"qpos": data.qpos.copy(), "qvel": data.qvel.copy()}
        return {**super().__call__(env, **rest), "info": info}


@pytest.fixture
def real(tmp_path, spec):
    """Steps that were taken, because what is imported is taken again."""
    episodes = []
    with closing(Recorder(make_reference("Hopper"), "random", episodes.append)) as env:
        for seed in range(3):
            env.reset(seed=seed)
            for _ in range(5):
                env.step(env.action_space.sample())
    dataset = Dataset.create(tmp_path / "real", "Hopper", spec)
    dataset.append(episodes)
    return dataset


def record(name="mine-v0", wrap=lambda env: env, **settings):
    env = minari.DataCollector(
        wrap(make_reference("Hopper")),
        step_data_callback=Full,
        record_infos=True,
        **settings,
    )
    for seed in range(2):
        env.reset(seed=seed)
        for _ in range(5):
            env.step(env.action_space.sample())
    env.create_dataset(name)
    env.close()


class TestPlaces:
    @pytest.mark.parametrize("out", ["mujoco/hopper/mine-v0", "minari:mine-v3", "minari:a-b/c-v1"])
    def test_an_id_goes_below_the_root_and_back(self, real, spec, root, out):
        name = out.removeprefix("minari:")
        assert export_minari(real, out) == root / name
        assert minari.load_dataset(name).total_steps == real.steps
        assert [*minari.list_local_datasets()] == [name]
        if "/" in name:
            assert name.rpartition("/")[0] in minari.namespace.list_local_namespaces()
        for place in (out, name, root / name, root / name / "data"):
            back = open_dataset(place, "Hopper", lambda: spec)
            assert_equal(back.load(), real.load())
        with pytest.raises(OutputError, match="exists already"):
            export_minari(real, out)

    def test_steps_that_nobody_took_are_not_opened(self, dataset, spec):
        export_minari(dataset, "minari:mine-v0")
        with pytest.raises(DatasetError, match="taken again in Hopper-v5"):
            open_dataset("mine-v0", "Hopper", lambda: spec)

    def test_a_folder_below_the_root_has_its_id(self, dataset, root):
        export_minari(dataset, root / "hopper" / "mine-v0")
        assert minari.load_dataset("hopper/mine-v0").id == "hopper/mine-v0"
        assert [*minari.list_local_datasets()] == ["hopper/mine-v0"]

    def test_a_folder_that_exists_is_no_namespace(self, dataset, root, tmp_path):
        (tmp_path / "runs").mkdir()
        assert export_minari(dataset, "runs/mine-v0").resolve() == tmp_path / "runs" / "mine-v0"
        assert export_minari(dataset, "mine-v0").resolve() == tmp_path / "mine-v0"
        assert not root.exists() or not [*root.iterdir()]

    def test_a_path_that_exists_comes_before_an_id(self, real, spec):
        export_minari(real, "minari:mine-v0")
        other = Dataset.create("mine-v0", "Hopper", spec)
        other.append([make_episode(spec, 4)])
        assert open_dataset("mine-v0", "Hopper", lambda: spec).steps == 4
        assert open_dataset("minari:mine-v0", "Hopper", lambda: spec).steps == real.steps

    def test_an_id_that_is_not_there_says_how_to_get_it(self, spec):
        with pytest.raises(DatasetError, match="minari download mujoco/hopper/expert-v0"):
            open_dataset("mujoco/hopper/expert-v0", "Hopper", lambda: spec)

    @pytest.mark.parametrize("out", ["minari:", "minari:../up-v0", "minari:no version"])
    def test_what_cannot_be_an_id(self, dataset, out):
        with pytest.raises(ParameterError, match="expected an id"):
            export_minari(dataset, out)


@pytest.mark.parametrize("data_format", ["hdf5", "arrow", "parquet"])
def test_every_format_of_minari_is_read(spec, data_format):
    if data_format != "hdf5":
        pytest.importorskip("pyarrow")
    record(data_format=data_format)
    dataset = import_minari("mine-v0", "Hopper", spec)
    recording = dataset.load()
    assert recording.lengths.tolist() == [5, 5]
    stored = minari.load_dataset("mine-v0")
    for index, episode in enumerate(stored.iterate_episodes()):
        assert np.array_equal(recording.episode(index).qvel, episode.infos["qvel"])
        assert np.array_equal(recording.episode(index).actions, episode.actions)
    assert len(dataset.digest) == 64
    (stored.storage.data_path / "more").write_text("x")
    assert import_minari("mine-v0", "Hopper", spec).digest != dataset.digest


def test_a_format_whose_library_is_missing_says_what_to_install(spec, root):
    record()
    script = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from learned_envs.data.minari import import_minari\n"
        "from learned_envs.errors import DependencyError\n"
        "from learned_envs.card import read_card\n"
        "try:\n    import_minari('mine-v0', 'Hopper', read_card('Hopper').spec)\n"
        "except DependencyError as error:\n    print(error)\n"
    )
    file = root / "mine-v0" / "data" / "metadata.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"data_format": "arrow"}))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "minari[arrow]" in done.stdout, done.stderr
    assert issubclass(DependencyError, ImportError)


def test_columns_go_there_and_back(tmp_path, spec):
    dataset = Dataset.create(tmp_path / "data", "Hopper", spec)
    episode = make_episode(spec, 3)
    columns = {"forces": np.arange(8.0).reshape(4, 2)}
    dataset.append([dataclasses.replace(episode, columns=columns)])
    export_minari(dataset, tmp_path / "out-v0")
    found = import_minari(tmp_path / "out-v0", "Hopper", spec).load()
    assert np.array_equal(found.columns["forces"], columns["forces"])


class TestWhatASetSays:
    @pytest.mark.parametrize(
        ("wrap", "name"),
        [
            (lambda env: RescaleAction(env, -0.5, 0.5), "RescaleAction"),
            (ClipAction, "ClipAction"),
        ],
    )
    def test_wrappers_that_change_actions_are_named(self, spec, wrap, name):
        record(wrap=wrap)
        with pytest.raises(DatasetError, match=f"recorded through {name}"):
            import_minari("mine-v0", "Hopper", spec)

    def test_wrappers_that_change_nothing_do_not_matter(self, spec):
        record(wrap=RecordEpisodeStatistics)
        assert import_minari("mine-v0", "Hopper", spec).steps == 10

    @pytest.mark.parametrize(
        ("kwargs", "words"),
        [
            ({"frame_skip": 2}, "another frame_skip .*frame_skip=2"),
            ({"xml_file": "mine.xml", "frame_skip": 4}, "another xml_file .*xml_file='mine.xml'"),
            ({"wind": 3.0}, "another wind "),
            ({"frame_skip": 4, "width": 64, "healthy_reward": 2.0}, None),
        ],
    )
    def test_parameters_of_another_system_are_named(self, spec, root, kwargs, words):
        record()
        file = root / "mine-v0" / "data" / "metadata.json"
        metadata = json.loads(file.read_text())
        env_spec = json.loads(metadata["env_spec"]) | {"kwargs": kwargs}
        file.write_text(json.dumps(metadata | {"env_spec": json.dumps(env_spec)}))
        if words is None:
            assert import_minari("mine-v0", "Hopper", spec).steps == 10
        else:
            with pytest.raises(DatasetError, match=words):
                import_minari("mine-v0", "Hopper", spec)

    def test_no_code_that_a_set_names_is_run(self, spec, root, tmp_path):
        record()
        file = root / "mine-v0" / "data" / "metadata.json"
        metadata = json.loads(file.read_text())
        del metadata["observation_space"]
        env_spec = json.loads(metadata["env_spec"])
        env_spec |= {"entry_point": "os:mkdir", "kwargs": {"path": str(tmp_path / "ran")}}
        file.write_text(json.dumps(metadata | {"env_spec": json.dumps(env_spec)}))
        with pytest.raises(DatasetError, match="does not say the spaces"):
            import_minari("mine-v0", "Hopper", spec)
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize(
        "infos",
        [
            {"qpos": ["one"] * 6, "qvel": np.zeros((6, 6))},
            {"qpos": np.zeros((6, 6)), "qvel": np.zeros((5, 6))},
            {"qpos": np.zeros((6, 6)), "qvel": np.zeros((6, 6)), "columns": np.zeros(6)},
            {"qpos": {"x": np.zeros(6)}, "qvel": np.zeros((6, 6))},
        ],
    )
    def test_states_that_are_none(self, spec, infos):
        episode = minari.data_collector.EpisodeBuffer(
            observations=np.zeros((6, 11)),
            actions=np.zeros((5, 3), dtype=np.float32),
            rewards=np.zeros(5),
            terminations=np.zeros(5, dtype=bool),
            truncations=np.ones(5, dtype=bool),
            infos=infos,
        )
        minari.create_dataset_from_buffers("mine-v0", [episode], env="Hopper-v5")
        with pytest.raises(DatasetError, match="mine-v0"):
            import_minari("mine-v0", "Hopper", spec)
