"""A stand-in for Ray with a clock of its own, so that what is decided when workers die is tested without any."""

import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

from ganttlet_agents.distributed import attempts
from ganttlet_agents.evaluation.attempt import Attempt
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.evaluation.workers import Job


class RayError(Exception):
    """Root of Ray's errors."""


class RayTaskError(RayError):
    """What a task raised."""


class ActorDiedError(RayError):
    """A worker is gone."""


class ActorUnavailableError(RayError):
    """A worker cannot be reached."""


class OutOfMemoryError(RayError):
    """A worker was ended for its memory."""


ERRORS = (RayError, RayTaskError, ActorDiedError, ActorUnavailableError, OutOfMemoryError)
# As Ray 2.60 words them.
NODE_DIED = ActorDiedError(
    "The actor died unexpectedly before finishing this task.\n\tclass_name: EvaluationWorker\n"
    "The actor died because its node has died. Node Id: 1f\n\tthe actor's node was terminated unexpectedly: killed"
)
NEVER_RAN = ActorDiedError(
    "The actor is dead because x.\nThe actor never ran - it was cancelled before it started running."
)
PROCESS_DIED = ActorDiedError("The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR")


def done(index):
    """A job that is answered."""
    return index, Attempt(Outcome(None), 0.0)


@dataclass(eq=False)
class Said:
    """What there is to read, from a moment on: a value, or an error that is raised."""

    value: object
    at: float = 0.0


@dataclass(eq=False)
class Answers:
    """The generator of a call: its items, then its end."""

    clock: object
    items: list = field(default_factory=list)

    @property
    def at(self):
        return self.items[0].at if self.items else 0.0

    def __next__(self):
        if not self.items:
            raise StopIteration
        first = self.items[0]
        if isinstance(first.value, RayError):
            return first  # a worker that is gone stays so
        return self.items.pop(0)


class FakeRay:
    """One that runs ``play(actor, jobs) -> items`` for every shard, and ``begin(actor) -> item`` for every worker.

    ``actors`` lists all that were asked for, ``shards`` the indices of the jobs of every shard, ``killed`` the numbers
    of those that were ended.
    """

    def __init__(self, monkeypatch, play, begin=lambda actor: ("node", {}), timeout=None):
        self.now, self.play, self.begin, self.cores = 1000.0, play, begin, 4
        self.actors, self.shards, self.killed = [], [], []
        ray, errors = ModuleType("ray"), ModuleType("ray.exceptions")
        for error in ERRORS:
            setattr(errors, error.__name__, error)
        ray.exceptions, ray.wait, ray.get, ray.put = errors, self.wait, self.get, lambda value: value
        ray.kill = lambda actor: self.killed.append(actor.number)
        ray.remote = lambda cls: SimpleNamespace(options=self.options)
        ray.nodes = list
        ray.cluster_resources = lambda: {"CPU": self.cores, "GPU": 2}
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setitem(sys.modules, "ray.exceptions", errors)
        clock = SimpleNamespace(perf_counter=lambda: self.now, monotonic=lambda: self.now, sleep=self.sleep)
        monkeypatch.setattr(attempts, "time", clock)
        monkeypatch.setattr(attempts.Setup, "facts", lambda setup: {})

    def options(self, **options):
        self.asked = options
        return SimpleNamespace(remote=self._actor)

    def sleep(self, seconds):
        self.now += seconds

    def get(self, said):
        if isinstance(said.value, Exception):
            raise said.value
        return said.value

    def wait(self, signs, num_returns, timeout):
        assert signs
        assert len(set(map(id, signs))) == len(signs)
        ready = [sign for sign in signs if sign.at <= self.now]
        if not ready and timeout:
            first = min(sign.at for sign in signs)
            self.now = min(first, self.now + timeout)
            ready = [sign for sign in signs if sign.at <= self.now]
        return ready[:num_returns], [sign for sign in signs if sign not in ready[:num_returns]]

    def _actor(self, setup):
        actor = SimpleNamespace(number=len(self.actors), lost=None)
        actor.begin = SimpleNamespace(remote=lambda: self._said(self.begin(actor)))
        actor.attempt = SimpleNamespace(
            options=lambda **options: SimpleNamespace(remote=partial_of(self._shard, actor))
        )
        self.actors.append(actor)
        return actor

    def _shard(self, actor, jobs, contents, timed):
        assert {job.digest for job in jobs} == set(contents)
        self.shards.append([job.index for job in jobs])
        if actor.lost is not None:
            return Answers(self, [Said(actor.lost)])
        items = [self._said(item) for item in self.play(actor, [job.index for job in jobs])]
        actor.lost = next((item.value for item in items if isinstance(item.value, RayError)), None)
        return Answers(self, items)

    def _said(self, item):
        return item if isinstance(item, Said) else Said(item, self.now)


def partial_of(function, actor):
    """Return the function for one actor."""
    return lambda *args: function(actor, *args)


def jobs_of(folder, count, per_instance=4):
    """Return jobs of instances whose files say nothing."""
    path = folder / "instance.json"
    path.write_bytes(b"{}")
    return [
        Job(index, f"digest {index // per_instance}", path, "makespan", "rule:spt", index) for index in range(count)
    ]
