"""Rows of an evaluation on Ray actors: shards are handed out, rows come back, what a lost worker had is done again."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from itertools import compress
from operator import not_
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet_agents.distributed.carried import read_carried
from ganttlet_agents.distributed.connect import cluster_cpus, cluster_gpus
from ganttlet_agents.distributed.identity import Facts, first_difference, node_name
from ganttlet_agents.distributed.worker import EvaluationWorker, Setup
from ganttlet_agents.evaluation.attempt import Attempt
from ganttlet_agents.evaluation.methods import BoundMethod
from ganttlet_agents.evaluation.workers import LOADING, Job, failed_attempt

# Most jobs of a shard; a worker gives back what it does not reach in time.
SHARD = 64
# Shards that a worker has at once, so that it need not wait for the next.
AHEAD = 2
# A job has failed when it has been with so many workers that died, alone with the last; nodes may fail by themselves.
DEATHS, LOSSES = 2, 5
# How long to go on without a core in the cluster, which may be growing.
WITHOUT_CORES = 300.0
# Ray places workers on a lost node until it knows of the loss: those it then takes back are asked for again after that.
PAUSE = 1.0
TICK = 5.0


@dataclass
class _Shard:
    jobs: dict[int, Job]
    """Those that are not answered yet, by index."""
    count: int
    generator: Any
    deadline: float = float("inf")
    solving: int | None = None
    """Index of the job that has begun, where jobs are timed."""


@dataclass
class _Worker:
    actor: Any
    ready: Any
    node: str = ""
    size: int = 1
    """Jobs of its next shard: twice as many as it did in the last."""
    shards: deque[_Shard] = field(default_factory=deque)

    @property
    def sign(self) -> Any:
        """What Ray is to wait for; None if there is nothing."""
        if not self.node:
            return self.ready
        return self.shards[0].generator if self.shards else None


class _Queue:
    """Jobs in the plan's order, drawn as they are needed; what was given back comes first."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._jobs = iter(jobs)
        self._back: deque[Job] = deque()
        self._alone: deque[Job] = deque()

    def has(self, count: int) -> bool:
        """Return whether there are so many jobs."""
        while len(self._back) + len(self._alone) < count:
            job = next(self._jobs, None)
            if job is None:
                return False
            self._back.append(job)
        return True

    def __bool__(self) -> bool:
        return self.has(1)

    def give_back(self, jobs: Iterable[Job]) -> None:
        self._back.extendleft(reversed(list(jobs)))

    def give_back_alone(self, jobs: Iterable[Job]) -> None:
        self._alone.extend(jobs)

    def take(self, most: int) -> list[Job]:
        """Return the next jobs, at most so many; one that must be alone comes alone."""
        if self._alone:
            return [self._alone.popleft()]
        found: list[Job] = []
        while len(found) < most and self:
            found.append(self._back.popleft())
        return found


def attempt_all(
    jobs: Iterable[Job], family: str, methods: list[BoundMethod], *, count: int, timeout: float | None
) -> Generator[tuple[Job, Attempt]]:
    """Yield every job once with its attempt as it is done, by ``count`` actors; closing the iterator ends them.

    Args:
        jobs: begun in about this order, and drawn as they are needed.
        family, methods: known to every node too; files of methods below the current directory are brought along.
        count: number of actors, of one core each; those that the cluster has no room for wait until it has.
        timeout: seconds after which a row is given up, from the end of loading; None for no limit.

    Raises:
        InputError: if a node's versions, code, configurations or files differ from those here; naming both.
    """
    return _Crew(_Queue(jobs), family, methods, count, timeout).work()


class _Crew:
    def __init__(
        self, queue: _Queue, family: str, methods: list[BoundMethod], count: int, timeout: float | None
    ) -> None:
        import ray

        self.queue, self.count, self.timeout = queue, count, timeout
        setup = Setup(family, tuple(method.label for method in methods), os.getcwd(), read_carried(methods))
        self.facts: Facts = setup.facts()
        self.setup = ray.put(setup)
        # Asked of all workers it would leave nodes without a GPU idle.
        gpus = min(1.0, cluster_gpus() / count) if any(map(_may_use_gpu, methods)) else 0.0
        self.actor = ray.remote(EvaluationWorker).options(num_cpus=1, num_gpus=gpus, max_restarts=0)
        self.workers: list[_Worker] = []
        self.deaths: Counter[int] = Counter()
        self.losses: Counter[int] = Counter()
        self.stillborn = 0
        # When the first of the workers that have been lost since without one that began was lost; and the last.
        self.unbegun: tuple[float, float] | None = None
        self.seen_cores = time.monotonic()
        self.content: dict[str, bytes] = {}

    def work(self) -> Generator[tuple[Job, Attempt]]:
        import ray

        try:
            while True:
                self._hire()
                self._hand_out()
                if not self.queue and not any(worker.shards for worker in self.workers):
                    return
                signs = {worker.sign: worker for worker in self.workers if worker.sign is not None}
                heard = _heard(list(signs), self._patience())
                if not heard:
                    self._check_cores()
                for sign in heard:
                    yield from self._hear(signs[sign])
                yield from self._give_up()
        finally:
            for worker in self.workers:
                ray.kill(worker.actor)

    def _patience(self) -> float:
        """Return how many seconds there is nothing to do if no worker says anything."""
        first = min((worker.shards[0].deadline for worker in self.workers if worker.shards), default=float("inf"))
        return max(0.0, min(PAUSE if self._pausing() else TICK, first - time.perf_counter()))

    def _pausing(self) -> bool:
        return self.unbegun is not None and time.monotonic() - self.unbegun[1] < PAUSE

    def _hire(self) -> None:
        """Begin as many workers as there is work for."""
        if self._pausing():
            return
        idle = sum(not worker.shards for worker in self.workers)
        while len(self.workers) < self.count and self.queue.has(idle + 1):
            actor = self.actor.remote(self.setup)
            self.workers.append(_Worker(actor, actor.begin.remote()))
            idle += 1

    def _hand_out(self) -> None:
        ahead = AHEAD if self.timeout is None else 1
        for depth in range(1, ahead + 1):
            for worker in self.workers:
                if worker.node and len(worker.shards) < depth and self.queue:
                    self._give(worker, self.queue.take(worker.size))

    def _give(self, worker: _Worker, jobs: list[Job]) -> None:
        timed = self.timeout is not None
        contents = {job.digest: self._content(job) for job in jobs}
        generator = worker.actor.attempt.options(num_returns="streaming").remote(jobs, contents, timed)
        deadline = time.perf_counter() + LOADING if timed else float("inf")
        worker.shards.append(_Shard({job.index: job for job in jobs}, len(jobs), generator, deadline))

    def _content(self, job: Job) -> bytes:
        found = self.content.get(job.digest)
        if found is None:
            # The last one alone is kept: jobs come instance by instance.
            self.content = {job.digest: job.path.read_bytes()}
            found = self.content[job.digest]
        return found

    def _hear(self, worker: _Worker) -> Generator[tuple[Job, Attempt]]:
        """Take what a worker has to say, or notice that it is gone."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            if not worker.node:
                self._welcome(worker, *ray.get(worker.ready))
                return
            shard = worker.shards[0]
            answer = ray.get(next(shard.generator))
        except StopIteration:
            shard = worker.shards.popleft()
            worker.size = min(SHARD, 2 * (shard.count - len(shard.jobs)))
            self.queue.give_back(shard.jobs.values())
            return
        except RayTaskError:
            raise  # a fault of this program's own: no row's, and no node's
        except RayError as error:
            yield from self._lose(worker, error)
            return
        if isinstance(answer, InputError):
            raise InputError(f"node {self._node(worker)}: {answer}")
        self.seen_cores = time.monotonic()
        for index, attempt in answer:
            if attempt is None:
                shard.solving, shard.deadline = index, time.perf_counter() + (self.timeout or 0.0)
            else:
                shard.solving, shard.deadline = None, self._loading()
                yield shard.jobs.pop(index), attempt

    def _loading(self) -> float:
        return float("inf") if self.timeout is None else time.perf_counter() + LOADING

    def _welcome(self, worker: _Worker, node: str, there: Facts | InputError) -> None:
        worker.node = node
        self.stillborn, self.unbegun = 0, None
        self.seen_cores = time.monotonic()
        if isinstance(there, InputError):
            raise InputError(f"node {self._node(worker)}: {there}")
        difference = first_difference(there, self.facts)
        if difference is not None:
            raise InputError(f"node {self._node(worker)}: {difference}; every node needs the same")

    def _lose(self, worker: _Worker, error: Exception) -> Generator[tuple[Job, Attempt]]:
        """Give back the jobs of a worker that died, but fail one that has killed it often enough."""
        self._dismiss(worker)
        # Of a shard that is all answered the end may be lost with the worker.
        left = [list(shard.jobs.values()) for shard in worker.shards if shard.jobs]
        if not left:
            if not worker.node:
                self._count_unbegun(error)
            return
        suspects = left[0]
        for jobs in left[1:]:
            self._give_back(jobs)
        by_itself = _node_is_lost(error)
        counts, most = (self.losses, LOSSES) if by_itself else (self.deaths, DEATHS)
        for job in suspects:
            counts[job.index] += 1
        failed = suspects[0] if len(suspects) == 1 and counts[suspects[0].index] >= most else None
        if failed is not None:
            what = "its node was lost" if by_itself else "it ended its worker process"
            yield failed, failed_attempt(0.0, f"{what} {most} times: {_short(error)}")
        else:
            self._give_back(suspects)

    def _give_back(self, jobs: list[Job]) -> None:
        """Give jobs back, alone those that one more death may fail."""
        alone = [self.deaths[job.index] >= DEATHS - 1 or self.losses[job.index] >= LOSSES - 1 for job in jobs]
        self.queue.give_back(compress(jobs, map(not_, alone)))
        self.queue.give_back_alone(compress(jobs, alone))

    def _count_unbegun(self, error: Exception) -> None:
        """Raise InputError if workers die again and again before they begin."""
        if _node_is_lost(error):
            # A node takes all its workers with it, so that time counts, not their number.
            now = time.monotonic()
            self.unbegun = (self.unbegun[0] if self.unbegun else now, now)
            if now - self.unbegun[0] <= WITHOUT_CORES:
                return
            what = f"for {WITHOUT_CORES:g} s all workers have been lost before they began"
        else:
            self.stillborn += 1
            if self.stillborn <= LOSSES:
                return
            what = "workers die before they begin"
        raise InputError(f"{what}; the last one's reason: {_short(error)}") from None

    def _give_up(self) -> Generator[tuple[Job, Attempt]]:
        """Fail the jobs whose time is over, and end their workers."""
        now = time.perf_counter()
        late = [worker for worker in self.workers if worker.shards and worker.shards[0].deadline <= now]
        # One that has answered meanwhile is heard next.
        answered = _heard([worker.shards[0].generator for worker in late], 0.0)
        for worker in late:
            if worker.shards[0].generator in answered:
                continue
            self._dismiss(worker)
            shard = worker.shards[0]
            if not shard.jobs:
                continue
            # Whatever is being loaded comes first of those that are left.
            index = next(iter(shard.jobs)) if shard.solving is None else shard.solving
            job = shard.jobs.pop(index)
            self.queue.give_back(shard.jobs.values())
            seconds, text = LOADING, f"loading took more than {LOADING:g} s"
            if shard.solving is not None and self.timeout is not None:
                seconds, text = self.timeout, f"timed out after {self.timeout:g} s"
            yield job, failed_attempt(seconds, text)

    def _dismiss(self, worker: _Worker) -> None:
        import ray

        self.workers.remove(worker)
        ray.kill(worker.actor)

    def _check_cores(self) -> None:
        """Raise InputError if the cluster has had no core for long."""
        now = time.monotonic()
        if cluster_cpus():
            self.seen_cores = now
        elif now - self.seen_cores > WITHOUT_CORES:
            raise InputError(f"the cluster has had no node with cores for {WITHOUT_CORES:g} s; --resume goes on")

    @staticmethod
    def _node(worker: _Worker) -> str:
        import ray

        return next((node_name(node) for node in ray.nodes() if node["NodeID"] == worker.node), worker.node[:8])


def _heard(signs: list[Any], seconds: float) -> list[Any]:
    """Return the signs that are there; none if none comes within so many seconds."""
    import ray

    if not signs:
        time.sleep(seconds)
        return []
    heard, _ = ray.wait(signs, num_returns=1, timeout=seconds)
    if heard:
        heard, _ = ray.wait(signs, num_returns=len(signs), timeout=0)
    return list(heard)


def _may_use_gpu(method: BoundMethod) -> bool:
    """Return whether a method was told to, or is code that may do as it likes."""
    return method.options.get("device", "cpu") != "cpu" or bool(method.code)


def _node_is_lost(error: Exception) -> bool:
    """Return whether a worker is gone because its machine, or the way to it, is."""
    from ray.exceptions import ActorDiedError, ActorUnavailableError, OutOfMemoryError

    if isinstance(error, OutOfMemoryError):
        return False
    if isinstance(error, ActorDiedError):
        return any(words in str(error) for words in ("node has died", "node was", "never ran"))
    return isinstance(error, ActorUnavailableError) or "node" in str(error).lower()


def _short(error: Exception) -> str:
    """Return the sentence of Ray's message that tells the reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith("The actor is dead because")), lines[0] if lines else "")
    return told.partition(" Some common causes include")[0] or type(error).__name__
