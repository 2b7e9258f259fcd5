"""Programs that the tests of the hub run, each as a process of its own: its client reads where the
hub is when it is imported.
"""

COMMAND = ("-c", "import sys; from learned_envs.cli import main; sys.exit(main(sys.argv[1:]))")

CARDS = """
import json, sys, warnings
from learned_envs.card import read_card
from learned_envs.errors import LearnedEnvsError

told = {}
for name in sys.argv[1:]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            card = read_card(name)
            told[name] = [card.task, card.pinned]
        except LearnedEnvsError as error:
            told[name] = [type(error).__name__, str(error)]
    told[name] += [str(each.message) for each in seen]
print(json.dumps(told))
"""
"""Prints what comes of reading the card of each name: its task and commit, or the error."""

COMMANDS = """
import contextlib, io, json, os, sys
from learned_envs.cli import main

told = []
for token, words in json.loads(sys.argv[1]):
    os.environ["HF_TOKEN"] = token or ""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    told.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(told))
"""
"""Runs commands, each with a token, and prints what each ends with and prints."""

USE = """
import contextlib, importlib.util, io, json, sys
import gymnasium as gym, numpy as np
import learned_envs
from huggingface_hub import hf_hub_download
from learned_envs import Simulation
from learned_envs.cli import main
from learned_envs.fit import FitConfig
from learned_envs.fit.settings import anchored

def steps(checkpoint):
    env = gym.make("LearnedSim-v0", checkpoint=checkpoint, compile=False)
    seen = [env.reset(seed=3)[0]]
    env.action_space.seed(3)
    seen += [env.step(env.action_space.sample())[0] for _ in range(5)]
    envs = gym.make_vec("LearnedSim-v0", num_envs=2, checkpoint=checkpoint, compile=False)
    seen += list(envs.reset(seed=3)[0])
    card = Simulation.load(checkpoint).card
    return {"seen": np.array(seen).tolist(), "sha256": card["sha256"], "pinned": card.get("pinned")}

def printed(*words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        main(words)
    return out.getvalue()

def lerobot():
    # As LeRobot's EnvHub loads a repository's file.
    file = hf_hub_download("user/name", "env.py")
    loaded = importlib.util.spec_from_file_location("hub_env_user_name", file)
    module = importlib.util.module_from_spec(loaded)
    loaded.loader.exec_module(module)
    envs = module.make_env(n_envs=2, use_async_envs=False)
    assert isinstance(envs, gym.vector.VectorEnv)
    envs.reset(seed=0)
    observation, *_ = envs.step(envs.action_space.sample())
    apart = module.make_env(n_envs=1, use_async_envs=True)
    seen, _ = apart.reset(seed=0)
    apart.close()
    return [observation["agent_pos"].shape, envs.call("task"), seen["agent_pos"].shape]

if __name__ == "__main__":
    learned_envs.register("LearnedSim-Mine-v0", sys.argv[1])
    told = {
        "registered": gym.spec("LearnedSim-Mine-v0").kwargs["checkpoint"],
        "steps": [steps(name) for name in sys.argv[1:]],
        "info": printed("info", sys.argv[1]),
        "evaluate": printed("evaluate", sys.argv[1]),
        "start": anchored(FitConfig(start=sys.argv[1])).start,
    }
    # Every request until here is one of ours.
    print(json.dumps(told), flush=True)
    print(json.dumps(lerobot()))
"""
"""Prints what environments of each checkpoint show, and what commands and LeRobot make of it."""
