"""Work spread over processes that die with their parent, with results in order."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, TypeVar

import torch

from learned_envs.errors import LearnedEnvsError, ParameterError

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_cores() -> int:
    """Return how many cores this process may use; all of them if the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_in_order(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Generator[Result, None, None]:
    """Yield `work(item)` for every item, in the items' order.

    Workers end when this process does, however it is killed, and in the middle of their work. Those
    of a multiprocessing or concurrent.futures pool would wait for ever.

    Args:
        work: called in the workers, each with its own copy, and one torch thread.
        items: what to work on.
        workers: how many processes; 1 works in this one.

    Raises:
        ParameterError: if `work` cannot be sent to another process.
        LearnedEnvsError: if a worker dies. What `work` raises is raised as it is.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        yield from _run_here(work, items)
        return
    try:
        payload = pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ParameterError(
            f"Got a policy that cannot be sent to a worker process ({error}); expected one that "
            "pickles. Define it at the top level of a module, or use workers=1."
        ) from error
    context = get_context("spawn")
    processes: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(workers):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, payload), daemon=True)
            process.start()
            there.close()
            processes[here] = process
        yield from _share(processes, items)
    except (EOFError, BrokenPipeError, ConnectionResetError) as error:
        raise LearnedEnvsError(
            "A worker process died before its work was done. A script that uses several workers "
            'needs `if __name__ == "__main__":`. If memory is short, use workers=1.'
        ) from error
    finally:
        for pipe, worker in processes.items():
            pipe.close()
            worker.terminate()
        for worker in processes.values():
            worker.join()


def _run_here(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for item in items:
            yield work(item)
    finally:
        torch.set_num_threads(threads)


def _share(processes: dict[Connection, BaseProcess], items: Sequence[Any]) -> Iterator[Any]:
    """Hand each free worker the next item, and yield results in the items' order."""
    waiting = iter(enumerate(items))
    results: dict[int, Any] = {}
    busy: list[Connection] = []

    def hand(pipe: Connection) -> None:
        following = next(waiting, None)
        if following is not None:
            pipe.send(following)
            busy.append(pipe)

    for pipe in processes:
        hand(pipe)
    for index in range(len(items)):
        while index not in results:
            ready = set(connection.wait(busy))
            for pipe in [pipe for pipe in busy if pipe in ready]:
                place, result, error = _received(pipe)
                results[place] = result, error
                busy.remove(pipe)
                hand(pipe)
        result, error = results.pop(index)
        if error is not None:
            raise error
        yield result


def _received(pipe: Connection) -> Any:
    try:
        return pipe.recv()
    except OSError as error:
        # It ended in the middle of a message.
        raise EOFError(str(error)) from error


def _serve(pipe: Connection, payload: bytes) -> None:
    """Work until the other end of the pipe, or the process that it belongs to, is gone."""
    Thread(target=_end_with_parent, daemon=True).start()
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    try:
        work: Callable[[Any], Any] | None = None
        while True:
            index, item = pipe.recv()
            try:
                work = work or pickle.loads(payload)
                pipe.send((index, work(item), None))
            except Exception as error:
                pipe.send((index, None, _portable(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """Return the error, or one that says the same if it does not survive the pipe."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return LearnedEnvsError(f"In a worker process: {type(error).__name__}: {error}")
    return error
