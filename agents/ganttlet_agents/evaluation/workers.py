"""Worker processes that attempt rows: one that crashes, or takes too long, costs its own row and is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet.core.family import Family, get_family
from ganttlet.core.record import Instance
from ganttlet_agents.evaluation.attempt import Attempt, Judge
from ganttlet_agents.evaluation.methods import BoundMethod, Outcome, parse_methods

# Loading is not part of a row's time, but must end: Numba compiles a family's kernels in a minute or two.
LOADING = 600.0
STARTED = "started"


@dataclass(frozen=True)
class Job:
    """One row to attempt.

    Fields:
        index: which row of the plan.
        digest, path: the instance and the file that holds it.
        objective, method, seed: the objective, the method's label and the seed.
    """

    index: int
    digest: str
    path: Path
    objective: str
    method: str
    seed: int


class Station:
    """Attempts jobs in a process of its own: each method is loaded once, the last instance is kept."""

    def __init__(self, family: str) -> None:
        self._family = family
        self._judge: Judge | None = None
        self._methods: dict[str, BoundMethod] = {}
        self._loaded: Instance | None = None

    def prepare(self, job: Job, read: Callable[[Family], Instance]) -> Attempt | None:
        """Load what a job needs; return the failed attempt if that raises, else None.

        Args:
            job: the job.
            read: called with the family for the instance, unless it is the last one again.

        Raises:
            InputError: if the family, the method or the instance is not what it was where the job comes from.
        """
        try:
            if self._judge is None:
                self._judge = Judge(get_family(self._family))
            if self._loaded is None or self._loaded.digest != job.digest:
                self._loaded = read(self._judge.family)
                if self._loaded.digest != job.digest:
                    raise InputError(f"{job.path}: holds another instance than the one it was saved from")
            if job.method not in self._methods:
                (self._methods[job.method],) = parse_methods([job.method], self._judge.family)
        except InputError:
            raise
        except Exception as error:
            return failed_attempt(0.0, f"loading failed: {type(error).__name__}: {error}")
        return self._judge.prepare(self._loaded, job.objective, self._methods[job.method])

    def solve(self, job: Job) -> Attempt:
        """Attempt the job that has been prepared last."""
        assert self._judge is not None
        assert self._loaded is not None
        return self._judge.solve(self._loaded, job.objective, self._methods[job.method], job.seed)


class _Worker:
    """A process with its connection, and the job it has."""

    def __init__(self, family: str, threads: int) -> None:
        # Spawned everywhere: a fork would copy threads' locks and a GPU's state, and Windows has none.
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, family, threads), name="evaluate-worker")
        self.process.start()
        other.close()
        self.job: Job | None = None
        self.begun = 0.0
        self.deadline = float("inf")
        self.solving = False

    def give(self, job: Job, timeout: float | None) -> None:
        self.job, self.begun, self.solving = job, time.perf_counter(), False
        self.deadline = float("inf") if timeout is None else self.begun + LOADING
        # A worker that has died meanwhile is noticed when its answer is awaited.
        with suppress(OSError):
            self.connection.send(job)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()

    def obituary(self) -> str:
        self.process.join(5.0)
        code = self.process.exitcode
        if code is not None and code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            return f"the worker process was ended by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        return f"the worker process ended with exit code {code}"


def attempt_all(
    jobs: Iterable[Job], family: Family, *, count: int, timeout: float | None
) -> Generator[tuple[Job, Attempt]]:
    """Yield every job with its attempt as it is done, by ``count`` processes; closing the iterator ends them.

    Args:
        jobs: begun in this order, and drawn one by one.
        family: by its name, with its methods by their labels, must be known to a fresh process too.
        count: number of processes.
        timeout: seconds after which a row is given up, from the end of loading; None for no limit.
    """
    waiting = iter(jobs)
    workers: list[_Worker] = []
    try:
        job = next(waiting, None)
        while True:
            while job is not None and (idle := _idle(workers, count, family.name)):
                idle.give(job, timeout)
                job = next(waiting, None)
            if not any(worker.job for worker in workers):
                return
            for worker in _ready(workers):
                given = worker.job
                found = _answer(worker, timeout)
                if found is None or given is None:
                    continue
                attempt, alive = found
                worker.job = None
                if not alive:
                    worker.end()
                    workers.remove(worker)
                yield given, attempt
    finally:
        for worker in workers:
            worker.end()


def _idle(workers: list[_Worker], count: int, family: str) -> _Worker | None:
    """Return a worker without a job, a new one while there are fewer than ``count``, or None."""
    found = next((worker for worker in workers if worker.job is None), None)
    if found is None and len(workers) < count:
        found = _Worker(family, max(1, (os.cpu_count() or 1) // count))
        workers.append(found)
    return found


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    """Return the workers that have said something, have died, or have had their time."""
    busy = [worker for worker in workers if worker.job]
    first = min(worker.deadline for worker in busy)
    left = None if first == float("inf") else max(0.0, first - time.perf_counter())
    # A process that a method left behind may hold the connection open, so the worker's own end counts as well.
    heard = wait([sign for worker in busy for sign in (worker.connection, worker.process.sentinel)], left)
    now = time.perf_counter()
    return [
        worker
        for worker in busy
        if worker.connection in heard or worker.process.sentinel in heard or worker.deadline <= now
    ]


def _answer(worker: _Worker, timeout: float | None) -> tuple[Attempt, bool] | None:
    """Return a worker's attempt and whether it lives on; None if it has only begun to solve."""
    seconds = time.perf_counter() - worker.begun
    try:
        if not worker.connection.poll():
            if time.perf_counter() < worker.deadline:
                raise EOFError  # its end was heard before the connection's
            text = f"timed out after {timeout:g} s" if worker.solving else f"loading took more than {LOADING:g} s"
            return failed_attempt(seconds, text), False
        said = worker.connection.recv()
    except (EOFError, OSError):
        return failed_attempt(seconds, worker.obituary()), False
    if said == STARTED:
        worker.solving, worker.begun = True, time.perf_counter()
        if timeout is not None:
            worker.deadline = worker.begun + timeout
        return None
    if isinstance(said, InputError):
        raise said
    return said, True


def failed_attempt(seconds: float, text: str) -> Attempt:
    """Return an attempt without an outcome, which failed for the reason ``text``."""
    return Attempt(Outcome(None), seconds, error=text)


def _serve(connection: Connection, family_name: str, threads: int) -> None:
    """Attempt jobs until the connection closes; runs in the worker, whose libraries take so many threads."""
    # Processes with a thread for each core wait for one another; a limit that the user set stays.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    # Ctrl-C reaches the whole group; the parent keeps the rows and ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        station = Station(family_name)
        while True:
            job: Job = connection.recv()
            try:
                failed = station.prepare(job, partial(_read, job))
            except InputError as error:
                connection.send(error)
                return
            if failed is None:
                connection.send(STARTED)
                failed = station.solve(job)
            connection.send(failed)


def _read(job: Job, family: Family) -> Instance:
    return family.instance.load(job.path)


def _end_with_parent() -> None:
    """End this process when the parent has died, so that a killed run leaves no solver running."""
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)
