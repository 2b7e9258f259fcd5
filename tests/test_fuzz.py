"""A few cases of each kind of the fuzz; and a fuzz that finds what is wrong.

`python benchmarks/fuzz.py` tries thousands.
"""

import importlib
import os
import random
import signal
import time

import pytest

from learned_envs.errors import ParameterError

CASES = {
    **dict.fromkeys(
        ["checkpoints, bytes", "checkpoints, headers", "cards", "cards, sealed again"], 20
    ),
    **dict.fromkeys(
        ["datasets, bytes", "manifests", "manifests, sealed again", "shards, sealed again"], 20
    ),
    **{"folders of datasets": 20, "arguments": 40, "commands": 12},
}
"""How many cases of a kind, all in this process, fit into a few seconds. Kills and writers are in
`fit/test_kills.py` and `data/test_lock.py`. A damaged HDF5 file, as Minari has, can crash its own
library, so that these are for processes alone."""


@pytest.mark.parametrize("name", CASES)
def test_each_case_is_refused_in_our_words_or_leaves_what_was_there(
    benchmark, tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    kind = benchmark("fuzz").PLAN[name][0]
    (tmp_path / "shared").mkdir()
    shared = kind.prepare(tmp_path / "shared")
    faults = {}
    for number in range(CASES[name]):
        place = tmp_path / f"case-{number}"
        place.mkdir()
        verdict, said = kind.case(random.Random(f"{name}/{number}"), shared, place)
        if verdict == "FAULT":
            faults[number] = said
    assert not faults


def test_the_same_number_makes_the_same_case(benchmark):
    damage = benchmark("fuzz_damage")
    plain = {"a": [1, {"b": 2.5}], "c": "text"}
    for seed in range(50):
        one, other = (damage.mutated(plain, random.Random(seed))[1] for _ in range(2))
        assert one == other
        data = bytes(range(200))
        assert damage.damaged(data, random.Random(seed)) == damage.damaged(
            data, random.Random(seed)
        )
    assert plain == {"a": [1, {"b": 2.5}], "c": "text"}


def nothing(folder):
    pass


def faulty(drawn, shared, folder):
    """Be wrong in each of the ways that a case can be."""
    work = importlib.import_module("fuzz_work")

    def act():
        match folder.name:
            case "case-0":
                raise ParameterError("Got 1, expected 2.")
            case "case-1":
                raise KeyError("raw")
            case "case-2":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "case-3":
                time.sleep(60)
            case "case-4":
                b"x" * (800 * 2**20)
            case "case-5":
                raise ParameterError("")
        return work.WORKS, ""

    return work.judged(act, folder.name)


def test_faults_crashes_hangs_and_memory_are_found(benchmark, tmp_path, monkeypatch):
    work = benchmark("fuzz_work")
    kind = work.Kind("faulty", nothing, faulty, seconds=10.0)
    tally = work.run(kind, range(7), 1, tmp_path)
    assert tally.counts == {work.REFUSED: 1, work.WORKS: 1, work.FAULT: 5}
    said = dict(tally.faults)
    assert "KeyError" in said[1] and "SIGSEGV" in said[2] and "not done" in said[3]
    assert "memory grew by" in said[4] and "without a message" in said[5]
