"""Workers end with their parent."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import Pipe
from pathlib import Path

import pytest
from processes import alive, children_of

from learned_envs.workers import _received

ENDLESS = """
import sys
import time
from pathlib import Path

from learned_envs.workers import run_in_order


def work(name):
    Path(sys.argv[1], name).touch()
    time.sleep(3600)


if __name__ == "__main__":
    list(run_in_order(work, ["first", "second"], 2))
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_kill_ends_workers_in_the_middle_of_their_work(tmp_path: Path, how: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(ENDLESS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, script, tmp_path], env=environment) as process:
        while not (tmp_path / "first").exists() or not (tmp_path / "second").exists():
            assert process.poll() is None
            time.sleep(0.02)
        children = children_of(process.pid)
        process.send_signal(how)
    assert len(children) >= 2
    deadline = time.monotonic() + 60
    while any(alive(child) for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_that_ends_in_the_middle_of_a_message():
    here, there = Pipe()
    os.write(there.fileno(), (100).to_bytes(4, "big") + b"half")
    there.close()
    with pytest.raises(EOFError):
        _received(here)
