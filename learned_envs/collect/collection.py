"""Record varied episodes of real MuJoCo, for a model of the system to be fitted to.

The steps are shared evenly between a random actor, every policy and every driver.
A collection is cut into chunks, whose seeds follow from the collection alone. So it is the same for
any number of workers, and one that was killed goes on after its last whole chunk.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path

import gymnasium as gym
import msgspec
import numpy as np

from learned_envs import argument
from learned_envs.collect.asking import ask
from learned_envs.collect.exploration import Explorer
from learned_envs.collect.recorder import Driver, Policy, Recorder
from learned_envs.collect.spaces import expect_spaces
from learned_envs.data.dataset import MANIFEST, Dataset
from learned_envs.data.lock import writing
from learned_envs.data.manifest import Shard
from learned_envs.data.parts import Parts, folder_of_parts
from learned_envs.data.recording import Array
from learned_envs.data.shard import read_shard
from learned_envs.data.source import expect
from learned_envs.data.system import expect_system
from learned_envs.errors import DatasetError, OutputError, ParameterError
from learned_envs.registry import register_task, task_entry, task_of
from learned_envs.systems.reference import make_reference, registered
from learned_envs.systems.spec import SystemSpec
from learned_envs.task_entry import TRACED, TaskEntry
from learned_envs.tasks.traced import TracedTask
from learned_envs.workers import run_in_order, usable_cores

__all__ = ["Driver", "Policy", "Recorder", "collect"]

RANDOM, DRIVER = "random", "learner:"
"""What a dataset calls the random actor, and what the names of drivers begin with there."""
STARTS = 50_000
"""Recorded states that episodes may start from, at most."""
CHUNK_STEPS = 10_000
LONGER = 3
"""How many times longer chunks are of environments that may be stepped many at once."""


def collect(
    task: str,
    steps: int,
    destination: str | os.PathLike[str] | Dataset,
    *,
    policies: Mapping[str, Policy] | None = None,
    drivers: Mapping[str, Driver] | None = None,
    random: bool = True,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Record `steps` steps of the task's reference environment.

    If the dataset holds other collections, most perturbed episodes start near their states.

    A collection is known by its steps, its seed and the names of who acts. If some of it is there
    already, it goes on from there. Workers are processes that start afresh ("spawn"), because a
    forked child of a process that used torch can hang. Each has one torch thread. A script that
    calls this needs `if __name__ == "__main__":`.

    Args:
        task: name of the task.
        steps: steps to record, at least one for each who acts.
        destination: a path, where a dataset is made or an interrupted collection goes on; or an
            open dataset of the task, to which the collection is added.
        policies: who acts besides the random actor, by name; recorded as "agent:NAME".
        drivers: what steps environments of its own while it is recorded, such as an agent that
            learns or a planner, by name; recorded as "learner:NAME". Each is one chunk, so one
            that was killed starts again.
        random: whether the random actor acts too.
        seed: decides everything that is drawn.
        workers: processes; None takes one for each core, 1 records in this process.
        on_progress: called with the steps of this collection that are recorded so far.

    Returns:
        The dataset, with the collection in it.

    Raises:
        UnknownNameError: if there is no such task.
        ParameterError: if the steps are too few, the seed is negative, a policy is of other
            spaces or cannot be sent to a worker, or a driver has no actuators to use.
        SystemSpecError: if the reference environment is not what its spec says.
        DatasetError: if the destination is a dataset that is broken, of another task or of another
            system.
        OutputError: if it holds something else already, or cannot be written.
    """
    task = task_of(task)
    steps, seed = argument.count("steps", steps), argument.count("seed", seed, 0)
    if workers is not None:
        workers = argument.count("workers", workers)
    for kind, given in (("policies", policies), ("drivers", drivers)):
        argument.instance(kind, given, Mapping, type(None))
        for name, acting in (given or {}).items():
            argument.function(f"{kind}[{name!r}]", acting)
    argument.instance("destination", destination, str, os.PathLike, Dataset)
    random = argument.flag("random", random)
    actors: dict[str, Policy | None] = {RANDOM: None} if random else {}
    actors.update({f"agent:{name}": policy for name, policy in (policies or {}).items()})
    driving = {f"{DRIVER}{name}": driver for name, driver in (drivers or {}).items()}
    # The longest chunks first, so that no worker is left with one at the end.
    everybody = [*driving, *actors]
    if not everybody or steps < len(everybody):
        raise ParameterError(
            f"Got steps={steps}, expected at least one who acts, and one step for each: "
            f"{', '.join(everybody) or 'nobody'}."
        )
    collection = Collection(seed, steps, tuple(everybody))
    asked = ask(task)
    spec = asked.spec
    if driving and not spec.nu:
        raise ParameterError(
            f"Got drivers for {task}, which has no actuators: there is nothing to drive. Record "
            "it without drivers."
        )
    with closing(make_reference(task)) as env:
        for policy in filter(None, actors.values()):
            expect_spaces(policy, env.observation_space, env.action_space)
    new = not isinstance(destination, Dataset) and not Path(destination).exists()
    dataset = _destination(task, destination, collection, spec)
    done = {_chunk_of(collection, shard) for shard in dataset.shards}
    size = CHUNK_STEPS * (LONGER if isinstance(asked.task, TracedTask) else 1)
    waiting = [chunk for chunk in _chunks(collection, size) if chunk.index not in done]
    starts = _starts(dataset, collection) if waiting else None
    explorer = Explorer(task, asked.task, actors, driving, starts)
    try:
        with folder_of_parts(dataset.path) as folder:
            work = ChunkRecorder(explorer, task_entry(task), registered(task), folder, dataset.spec)
            _record(dataset, collection, waiting, work, workers, on_progress)
    except BaseException:
        if new:
            _remove_if_empty(dataset.path)
        raise
    return dataset


@dataclass(frozen=True)
class Collection:
    """What a collection is known by.

    Attributes:
        seed: decides everything that is drawn.
        steps: how many are recorded.
        sources: who acts.
    """

    seed: int
    steps: int
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """What a shard's origin says of episodes that were collected here."""

    collection: Collection
    chunk: int


@dataclass(frozen=True)
class Chunk:
    """A part of a collection that one worker records at once.

    Attributes:
        index: its place in the collection.
        actor: who acts.
        steps: how many steps to record.
        seed: seeds its generator.
    """

    index: int
    actor: str
    steps: int
    seed: tuple[int, ...]


@dataclass(frozen=True)
class ChunkRecorder:
    """What a worker does with a chunk."""

    explorer: Explorer
    entry: TaskEntry
    reference: gym.envs.registration.EnvSpec
    folder: Path
    spec: SystemSpec

    def __call__(self, chunk: Chunk) -> Dataset:
        """Record the chunk into a dataset of its own in the folder."""
        # A process that has just started knows the package's own tasks only.
        gym.registry.setdefault(self.reference.id, self.reference)
        if self.entry.entry_point != TRACED:
            register_task(**vars(self.entry))
        rng = np.random.default_rng(np.random.SeedSequence(chunk.seed))
        parts = Parts(self.folder / f"{chunk.index}", self.explorer.task, self.spec)
        self.explorer.record(chunk.actor, chunk.steps, rng, parts)
        return parts.dataset


def _record(
    dataset: Dataset,
    collection: Collection,
    waiting: Sequence[Chunk],
    work: ChunkRecorder,
    workers: int | None,
    on_progress: Callable[[int], None] | None,
) -> None:
    """Record the chunks of a collection that its dataset does not hold yet."""
    recorded = collection.steps - sum(chunk.steps for chunk in waiting)
    if workers is None:
        workers = usable_cores()
    with closing(run_in_order(work, waiting, workers)) as results:
        for chunk, part in zip(waiting, results, strict=True):
            # Another process may be at the same collection.
            dataset.take(part, asdict(Origin(collection, chunk.index)), once=True)
            recorded += chunk.steps
            if on_progress is not None:
                on_progress(recorded)


def _remove_if_empty(path: Path) -> None:
    """Remove a dataset that nobody has recorded anything into, as if it had never been made."""
    with suppress(DatasetError, OutputError), writing(path):
        if not Dataset.open(path).shards:
            shutil.rmtree(path, ignore_errors=True)


def _destination(
    task: str,
    destination: str | os.PathLike[str] | Dataset,
    collection: Collection,
    spec: SystemSpec,
) -> Dataset:
    """Open or make the dataset that a collection of a system goes to."""
    if isinstance(destination, Dataset):
        expect(destination.task, task, destination.path)
        expect_system(destination.spec, spec, str(destination.path))
        return destination
    if not (Path(destination) / MANIFEST).exists():
        return Dataset.create(destination, task, spec)
    dataset = Dataset.open(destination, task)
    expect_system(dataset.spec, spec, str(dataset.path))
    if dataset.shards and all(_chunk_of(collection, shard) is None for shard in dataset.shards):
        raise OutputError(
            f"{destination} holds other episodes already, and none of the collection "
            f"{json.dumps(asdict(collection))}. Give another path, or pass Dataset.open(path) to "
            "add to what is there."
        )
    return dataset


def _chunk_of(collection: Collection, shard: Shard) -> int | None:
    """Return the number of a collection's chunk that a shard holds; None if it holds another's."""
    try:
        origin = msgspec.convert(shard.origin, Origin)
    except msgspec.ValidationError:
        return None
    return origin.chunk if origin.collection == collection else None


def _starts(dataset: Dataset, collection: Collection) -> tuple[Array, Array] | None:
    """Draw states that came into the dataset before a collection; None if there are none."""
    # If this collection is resumed, what came after its start must not matter.
    before = list(takewhile(lambda s: _chunk_of(collection, s) is None, dataset.shards))
    if not before:
        return None
    rng = np.random.default_rng(collection.seed)
    share = -(-STARTS // len(before))
    drawn = [read_shard(dataset.path, shard, dataset.spec).draw(share, rng) for shard in before]
    q, v = zip(*drawn, strict=True)
    return np.concatenate(q), np.concatenate(v)


def _chunks(collection: Collection, most: int) -> Iterator[Chunk]:
    """Cut a collection into chunks of `most` steps at most, the same on every machine."""
    # Two collections of one seed in one dataset must not repeat each other's episodes.
    fingerprint = zlib.crc32(json.dumps(asdict(collection), sort_keys=True).encode())
    actors, steps = collection.sources, collection.steps
    index = 0
    for place, actor in enumerate(actors):
        left = steps * (place + 1) // len(actors) - steps * place // len(actors)
        while left > 0:
            size = left if actor.startswith(DRIVER) else min(left, most)
            yield Chunk(index, actor, size, (collection.seed, fingerprint, index))
            index += 1
            left -= size
