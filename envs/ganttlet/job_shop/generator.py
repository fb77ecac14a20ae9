"""Seeded random job shops: named distributions, drawn by one kernel that also serves Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, randint
from ganttlet.job_shop.instance import EXACT, INT32_MAX, Array, JobShopInstance
from ganttlet.job_shop.solution import Schedule
from ganttlet.job_shop.taillard import HIGH, LOW, MODULUS, fill_taillard

# Slots of the parameter vector; ranges are two slots, low and high, both included.
KIND, JOBS, MACHINES, OPS, TIME, SPLIT, DUE, RELEASE, WEIGHT, N_PARAMS = 0, 1, 3, 5, 7, 9, 10, 11, 13, 15
ROUTES, TAILLARD = 0, 1

GENERATORS: Mapping[str, str] = MappingProxyType(
    {
        "uniform": "durations U{1..99} (or low … high), machine orders uniformly random",
        "l2d": "durations U{1..98}, machine orders uniformly random, as in L2D's training sets",
        "dmu": "durations U{1..200}; split=True visits the first half of the machines before the second",
        "taillard": "Taillard's own generator, durations U{1..99}, with random seeds",
        "toy": "every machine busy from 0 to the horizon, which is the least makespan",
    }
)
TIMES = {"uniform": (1, 99), "l2d": (1, 98), "dmu": (1, 200), "taillard": (LOW, HIGH)}
COMMON = ("name", "jobs", "machines", "ops", "due_factor", "release", "weights")
KEYS = {
    "uniform": (*COMMON, "low", "high"),
    "l2d": COMMON,
    "dmu": (*COMMON, "low", "high", "split"),
    "taillard": COMMON,
    "toy": ("name", "jobs", "machines", "horizon"),
}


@jit
def generate_row(
    params: Array, key: int, machine: Array, duration: Array, release: Array, due: Array, weight: Array
) -> tuple[int, int]:
    """Draw the instance of ``key`` (uint64, see ganttlet.core.rng.key_of) into one row of padded storage.

    Args:
        params: (N_PARAMS,) int64, ``Generator.params``.
        machine, duration: (N, O) int32, written whole; padding is -1 and 0.
        release, due, weight: (N,) int32, written whole; padding is 0. Without a due factor, due is 0.

    Returns:
        Numbers of jobs and machines of the instance, at most N and any number.
    """
    n_jobs = randint(key, 0, params[JOBS], params[JOBS + 1])
    n_machines = randint(key, 1, params[MACHINES], params[MACHINES + 1])
    width = min(machine.shape[1], n_machines)
    if params[KIND] == TAILLARD:
        time_seed = randint(key, 2, 1, MODULUS - 1)
        fill_taillard(n_jobs, n_machines, time_seed, randint(key, 3, 1, MODULUS - 1), machine, duration)
    else:
        times, routes = key_of(key, 1, 0), key_of(key, 2, 0)
        half = n_machines // 2 if params[SPLIT] else 0
        route = np.empty(n_machines, np.int32)
        for j in range(n_jobs):
            for i in range(n_machines):
                route[i] = i
            for i in range(width):
                count = j * n_machines + i
                k = randint(routes, count, i, (half if i < half else n_machines) - 1)
                machine[j, i] = route[k]
                route[k] = route[i]
                duration[j, i] = randint(times, count, params[TIME], params[TIME + 1])
    entity = key_of(key, 3, 0)
    for j in range(machine.shape[0]):
        length, release[j], due[j], weight[j] = 0, 0, 0, 0
        if j < n_jobs:
            length = width
            if params[OPS]:
                length = randint(entity, 3 * j, params[OPS], params[OPS + 1])
            release[j] = randint(entity, 3 * j + 1, params[RELEASE], params[RELEASE + 1])
            weight[j] = randint(entity, 3 * j + 2, params[WEIGHT], params[WEIGHT + 1])
        work = 0
        for i in range(machine.shape[1]):
            if i >= length:
                machine[j, i], duration[j, i] = -1, 0
            work += duration[j, i]
        if length and params[DUE]:
            due[j] = release[j] + params[DUE] * work // 1000
    return n_jobs, n_machines


class Generator:
    """A named distribution of instances; made by :func:`make_generator`.

    Attributes:
        settings: the settings with every default filled in.
        params: (N_PARAMS,) int64 for :func:`generate_row`; None for ``toy``, which has no kernel.
        max_jobs, max_machines, max_ops: the largest instance that can be drawn; loose for ``toy``'s max_ops.
        has_due: whether instances have due dates.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        if not isinstance(settings, Mapping):
            raise InputError(f"generator: expected a mapping with the key 'name', got {settings!r}")
        if "name" not in settings:
            raise InputError(f"generator: key 'name' is missing; expected one of {', '.join(GENERATORS)}")
        name = settings["name"]
        check_choice("generator: key 'name'", name, GENERATORS)
        check_keys(f"generator {name!r}", settings, KEYS[name])
        self.name: str = name
        jobs = _range(settings, "jobs", None, 1)
        machines = _range(settings, "machines", None, 1)
        self.max_jobs, self.max_machines = jobs[1], machines[1]
        self.has_due = settings.get("due_factor") is not None
        self.params: Array | None = None
        self.settings: dict[str, Any] = {"name": name, "jobs": _plain(jobs), "machines": _plain(machines)}
        if name == "toy":
            self._check_toy(settings, jobs, machines)
        else:
            self._fill(settings, jobs, machines)

    def _check_toy(self, settings: Mapping[str, Any], jobs: tuple[int, int], machines: tuple[int, int]) -> None:
        if jobs[0] < machines[1]:
            raise InputError(
                f"generator 'toy': key 'jobs': {jobs[0]} is too few; {machines[1]} machines that are all "
                "busy at time 0 need as many jobs"
            )
        horizon = _range(settings, "horizon", (20 * jobs[1], 20 * jobs[1]), 1)
        if horizon[0] != horizon[1] or horizon[0] < jobs[1]:
            raise InputError(f"generator 'toy': key 'horizon': expected one number of at least {jobs[1]} ticks")
        self.settings["horizon"] = horizon[0]
        self.max_ops = jobs[1] * (machines[1] - 1) + 1

    def _fill(self, settings: Mapping[str, Any], jobs: tuple[int, int], machines: tuple[int, int]) -> None:
        name, params = self.name, np.zeros(N_PARAMS, np.int64)
        ops = None if settings.get("ops") is None else _range(settings, "ops", None, 1)
        if ops and ops[1] > machines[0]:
            raise InputError(
                f"generator {name!r}: key 'ops': up to {ops[1]} operations per job, but there may be only "
                f"{machines[0]} machine(s)"
            )
        low, high = (_integer(settings, key, TIMES[name][at], 0) for at, key in enumerate(("low", "high")))
        if low > high:
            raise InputError(f"generator {name!r}: key 'low': {low} is greater than high = {high}")
        split = settings.get("split", False)
        if not isinstance(split, bool):
            raise InputError(f"generator {name!r}: key 'split': expected true or false, got {split!r}")
        due = thousandths(settings["due_factor"]) if self.has_due else 0
        release = _range(settings, "release", (0, 0), 0)
        weights = _range(settings, "weights", (1, 1), 0)
        self.max_ops = ops[1] if ops else machines[1]
        latest = release[1] + jobs[1] * self.max_ops * high
        if max(latest, release[1] + due * self.max_ops * high // 1000) > INT32_MAX:
            raise InputError(f"generator {name!r}: times may exceed int32; use fewer jobs or smaller durations")
        if self.has_due and weights[1] * jobs[1] * latest > EXACT:
            raise InputError(
                f"generator {name!r}: key 'weights': weighted tardiness may exceed 2**53; use smaller weights"
            )
        params[KIND] = TAILLARD if name == "taillard" else ROUTES
        params[SPLIT], params[DUE] = split, due
        for slot, value in (
            (JOBS, jobs),
            (MACHINES, machines),
            (OPS, ops or (0, 0)),
            (TIME, (low, high)),
            (RELEASE, release),
            (WEIGHT, weights),
        ):
            params[slot : slot + 2] = value
        params.flags.writeable = False
        self.params = params
        self.settings["ops"] = _plain(ops) if ops else None
        optional = {"low": low, "high": high, "split": split}
        self.settings |= {key: value for key, value in optional.items() if key in KEYS[name]}
        self.settings["due_factor"] = due / 1000 if due else None
        self.settings["release"] = list(release) if settings.get("release") is not None else None
        self.settings["weights"] = list(weights) if settings.get("weights") is not None else None

    def sample(self, seed: int) -> JobShopInstance:
        """Return the instance of ``seed`` (any integer of 64 bits); the same in every process."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not -(2**63) <= seed < 2**64:
            raise InputError(f"generator {self.name!r}: seed {seed!r}; expected an integer of 64 bits")
        return self._draw(_key(seed), f"seed{seed}")

    def sample_key(self, key: int) -> JobShopInstance:
        """Return the instance that :func:`generate_row` draws from ``key`` (uint64)."""
        return self._draw(key, f"key{int(key):016x}")

    def _draw(self, key: int, suffix: str) -> JobShopInstance:
        if self.params is None:
            return _draw_toy(self.settings, int(key), suffix)[0]
        n, o = self.max_jobs, self.max_ops
        machine, duration = np.empty((n, o), np.int32), np.empty((n, o), np.int32)
        release, due, weight = np.empty((3, n), np.int32)
        word: Any = np.uint64(key)
        n, m = generate_row(self.params, word, machine, duration, release, due, weight)
        o = int((machine[:n] >= 0).sum(axis=1).max())
        return JobShopInstance(
            f"{self.name}-{n}x{m}-{suffix}",
            machine[:n, :o],
            duration[:n, :o],
            m,
            release[:n],
            due[:n] if self.has_due else None,
            weight[:n],
        )


def make_generator(settings: Mapping[str, Any]) -> Generator:
    """Return the generator that ``settings`` describe.

    Args:
        settings: ``name`` (one of GENERATORS), ``jobs`` and ``machines`` (a number or [low, high], drawn per
            instance), and for all but ``toy``: ``ops`` (operations per job, a number or [low, high] drawn per
            job; a prefix of the job's machine order; default: all machines), ``due_factor`` c (due date =
            release + ⌊c · work⌋ with c to three decimals), ``release`` and ``weights`` ([low, high], drawn
            per job). ``uniform`` and ``dmu`` take ``low`` and ``high`` (durations in ticks), ``dmu`` takes
            ``split`` (bool), ``toy`` takes ``horizon`` (ticks).

    Raises:
        InputError: naming the key.
    """
    return Generator(settings)


def toy(settings: Mapping[str, Any], seed: int) -> tuple[JobShopInstance, Schedule]:
    """Return an instance of known least makespan and an optimal schedule of it.

    Each machine's time from 0 to ``horizon`` is cut at random into as many pieces as there are jobs, without
    idle time, and the pieces are chained into jobs; so no schedule ends before the horizon. Jobs may revisit
    machines and have different numbers of operations.
    """
    generator = make_generator({"name": "toy", **settings})
    if generator.name != "toy":
        raise InputError(f"toy: key 'name' is {generator.name!r}; expected 'toy'")
    return _draw_toy(generator.settings, _key(seed), f"seed{seed}")


def _key(seed: int) -> int:
    """Return the uint64 key of a seed; typed on purpose, as Numba takes larger Python integers for int64."""
    word: Any = np.uint64(int(seed) % 2**64)
    return int(key_of(word, 0, 0))


def _draw_toy(settings: Mapping[str, Any], key: int, suffix: str) -> tuple[JobShopInstance, Schedule]:
    rng = np.random.default_rng(key)
    n = int(rng.integers(*_range(settings, "jobs", None, 1), endpoint=True))
    m = int(rng.integers(*_range(settings, "machines", None, 1), endpoint=True))
    horizon = settings["horizon"]
    pieces = []
    for k in range(m):
        cuts = [0, *sorted(rng.choice(horizon - 1, n - 1, replace=False) + 1), horizon]
        pieces += [(int(start), int(end), k) for start, end in pairwise(cuts)]
    jobs: list[list[tuple[int, int, int]]] = [[] for _ in range(n)]
    for piece in sorted(pieces):
        free = [j for j in range(n) if not jobs[j] or jobs[j][-1][1] <= piece[0]]
        # At most m - 1 jobs are busy here, so one is free; the shortest chain first leaves no job empty.
        fewest = min(len(jobs[j]) for j in free)
        jobs[rng.choice([j for j in free if len(jobs[j]) == fewest])].append(piece)
    o = max(len(job) for job in jobs)
    machine, duration = np.full((n, o), -1, np.int32), np.zeros((n, o), np.int32)
    start = np.full((n, o), -1, np.int64)
    for j, job in enumerate(jobs):
        for i, (begin, end, k) in enumerate(job):
            machine[j, i], duration[j, i], start[j, i] = k, end - begin, begin
    instance = JobShopInstance(f"toy-{n}x{m}-{suffix}", machine, duration, m)
    return instance, Schedule(start, instance.digest)


def l2d_validation(n_jobs: int, n_machines: int, index: int, seed: int = 200) -> JobShopInstance:
    """Return instance ``index`` (0, 1, …) of L2D's seeded validation sets, durations 1 … 98 ticks.

    Source: Zhang et al., Learning to Dispatch for Job Shop Scheduling via Deep Reinforcement Learning,
    NeurIPS 2020: NumPy's legacy generator seeded once with 200; per instance the durations, then per job the
    order that sorts a row of uniform numbers.
    """
    for what, value, least in (("jobs", n_jobs, 1), ("machines", n_machines, 1), ("index", index, 0)):
        if value < least:
            raise InputError(f"l2d validation set: {what} is {value}; expected at least {least}")
    rng = np.random.RandomState(seed)
    for _ in range(index + 1):
        duration = rng.randint(1, 99, (n_jobs, n_machines))
        machine = np.argsort(rng.random_sample((n_jobs, n_machines)), axis=1)
    return JobShopInstance(f"l2d:{n_jobs}x{n_machines}:{index}", machine, duration, n_machines)


def with_due_dates(instance: JobShopInstance, factor: Any) -> JobShopInstance:
    """Return ``instance`` with due dates release + ⌊factor · work⌋ in ticks, factor to three decimals."""
    due = instance.release.astype(np.int64) + thousandths(factor) * instance.work // 1000
    return replace(instance, name=f"{instance.name.split(':due_factor=')[0]}:due_factor={factor}", due=due)


def thousandths(factor: Any) -> int:
    """Return a due factor in thousandths; raises InputError unless positive with at most three decimals."""
    try:
        scaled = Decimal(str(factor)) * 1000
        exact = not isinstance(factor, bool) and scaled.is_finite() and scaled == int(scaled)
    except InvalidOperation:
        exact = False
    if not exact or not 0 < scaled <= 1_000_000:
        raise InputError(
            f"key 'due_factor': expected a number in 0.001 … 1000 with at most three decimals, got {factor!r}"
        )
    return int(scaled)


def _integer(settings: Mapping[str, Any], key: str, default: int | None, least: int) -> int:
    low, high = _range(settings, key, None if default is None else (default, default), least)
    if low != high:
        raise InputError(f"generator {settings['name']!r}: key {key!r}: expected one integer")
    return low


def _range(settings: Mapping[str, Any], key: str, default: tuple[int, int] | None, least: int) -> tuple[int, int]:
    """Return an integer or a pair [low, high] as (low, high), both at least ``least``."""
    value = settings.get(key)
    where = f"generator {settings['name']!r}: key {key!r}"
    if value is None:
        if default is None:
            raise InputError(f"{where} is missing")
        return default
    pair = value if isinstance(value, list | tuple) else (value, value)
    integers = all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in pair)
    if len(pair) != 2 or not integers or not least <= pair[0] <= pair[1] <= INT32_MAX:
        raise InputError(f"{where}: expected an integer or [low, high] of at least {least}, got {value!r}")
    return int(pair[0]), int(pair[1])


def _plain(pair: tuple[int, int]) -> int | list[int]:
    return pair[0] if pair[0] == pair[1] else list(pair)
