"""Damaged agents, ours and SB3's: each acts as it did, or is refused by one error of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import gymnasium as gym
import numpy as np
from fuzz_damage import crafted_header, damaged, dumped, header_of, mutated, with_header
from fuzz_work import EQUAL, FAULT, WORKS, Kind, Verdict, judged
from stable_baselines3 import PPO, SAC, TD3

from learned_envs.card import checksum
from learned_envs.sb3 import Agent, Normalisation
from learned_envs.sb3.agent import AGENT_FILE

OBSERVATIONS = np.random.default_rng(0).normal(size=(3, 4))

ALGORITHMS: dict[Any, dict[str, Any]] = {
    PPO: {"n_steps": 32, "batch_size": 16, "n_epochs": 1, "use_sde": True},
    SAC: {"learning_starts": 10},
    TD3: {"learning_starts": 10},
}
"""The agents that are damaged, and their settings."""


@dataclass(frozen=True)
class Whole:
    """An agent that is whole: how it is kept, and how it acts."""

    name: str
    data: bytes
    actions: Any


def agents(folder: Path) -> list[Whole]:
    """Train small agents and store them as this package does."""
    made = []
    for algorithm, settings in ALGORITHMS.items():
        env = gym.make("InvertedPendulum-v5")
        sizes = {"net_arch": [8, 8]}
        model = algorithm("MlpPolicy", env, policy_kwargs=sizes, device="cpu", **settings)
        model.learn(64)
        agent = Agent(model, Normalisation(np.zeros(4), np.ones(4), 10.0, 1e-8))
        agent.save(folder / "agent")
        data = (folder / "agent" / AGENT_FILE).read_bytes()
        made.append(Whole(algorithm.__name__, data, agent(OBSERVATIONS)))
    return made


def archives(folder: Path) -> list[Whole]:
    """Write the zip of a small agent as SB3 does."""
    model = PPO("MlpPolicy", "InvertedPendulum-v5", n_steps=32, batch_size=16, device="cpu")
    model.save(folder / "agent.zip")
    return [Whole("zip", (folder / "agent.zip").read_bytes(), Agent(model)(OBSERVATIONS))]


def agent_bytes(random: Random, shared: list[Whole], folder: Path) -> Verdict:
    """Damage the bytes of an agent's file."""
    whole = random.choice(shared)
    data, said = damaged(whole.data, random)
    return agent_case(whole, data, said, folder)


def agent_headers(random: Random, shared: list[Whole], folder: Path) -> Verdict:
    """Change what the header of an agent's file says of its tensors."""
    whole = random.choice(shared)
    data, said = crafted_header(whole.data, random)
    return agent_case(whole, data, said, folder)


def sealed_agents(random: Random, shared: list[Whole], folder: Path) -> Verdict:
    """Change the card of an agent and its checksum with it, as somebody may on purpose."""
    whole = random.choice(shared)
    header, tensors = header_of(whole.data)
    changed, said = mutated(json.loads(header["__metadata__"]["agent"]), random)
    if isinstance(changed, dict):
        try:
            changed["checksum"] = checksum(changed)
        except (ValueError, TypeError, RecursionError):
            said += "; it cannot be sealed"
    header["__metadata__"]["agent"] = dumped(changed)
    return agent_case(whole, with_header(header, tensors), said, folder, compare=False)


def agent_case(whole: Whole, data: bytes, said: str, folder: Path, compare: bool = True) -> Verdict:
    """Write an agent, load it and let it act."""
    path = folder / AGENT_FILE
    path.write_bytes(data)

    def act() -> Verdict:
        actions = Agent.load(path)(OBSERVATIONS)
        if not np.isfinite(actions).all():
            return FAULT, "its actions are not finite"
        if not compare:
            return WORKS, ""
        if np.array_equal(actions, whole.actions):
            return EQUAL, ""
        return FAULT, "it acts in another way"

    verdict, more = judged(act, f"{whole.name}, {said}")
    return verdict, more or said


AGENTS = (
    Kind("agents, bytes", agents, agent_bytes),
    Kind("agents, headers", agents, agent_headers),
    Kind("agents, sealed again", agents, sealed_agents),
    Kind("agents, SB3's zips", archives, agent_bytes),
)
