"""What happens on a platform: arrivals, capacity, noise, outages, and which jobs count."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from ganttlet.core.errors import InputError, check_choice

ARRIVALS = ("exponential", "periodic", "trace")
FULL_RULES = ("block", "redraw", "queue")
ENDS = ("drain", "cut")
COMMUNICATIONS = ("pe_to_pe", "shared_memory")
NOISES = ("gaussian", "lognormal")
MAX_TIME: Final = 2**30  # ticks; every sum of two times fits in an int32
MAX_JOBS: Final = 1_000_000


@dataclass(frozen=True)
class Scenario:
    """How jobs arrive and how a run is counted. Times in ticks.

    Fields:
        arrivals: ``exponential``: gaps are exponential with mean ``scale``, truncated to whole ticks; ``periodic``:
            every gap is ``scale``, truncated; ``trace``: the jobs of ``trace``, nothing else.
        scale: mean gap before truncation; the rate is 1 / scale jobs per tick.
        trace: (time, application number) by rising time, for ``trace``.
        capacity: most jobs in the system.
        full: what an arrival does that finds the system full. ``block``: it waits, the source with it; once it is in,
            the next gap is drawn (DS3). ``redraw``: it is lost, and the next attempt comes one tick and a fresh gap
            later (SoCRATES). ``queue``: it waits in an unbounded queue while the source goes on.
        prefill: the system is filled to capacity at time 0.
        length: the source closes at this time; None: never.
        jobs: the source closes after this many jobs; None: far more than ``length`` can bring.
        end: ``drain``: jobs that arrive in [warmup, length - cooldown) count, and the run ends when all of them are
            done. ``cut``: jobs that finish in [warmup, length] count, and the run stops at ``length``, or at the
            completion that makes ``stop_after`` jobs; what is unfinished then is dropped, as in DS3 and SoCRATES.
        warmup, cooldown: see ``end``.
        stop_after: number of completed jobs that ends a ``cut`` run; None: only ``length`` ends it.
        noise: distribution of execution times: ``gaussian`` max(round(w (1 + std z)), 1), or ``lognormal`` of the same
            mean and standard deviation, likewise rounded; tasks of mean time 0 take no time. z belongs to (seed, job
            number, task), so every policy meets the same.
        std: relative standard deviation of the execution times.
        communication: ``pe_to_pe``, or ``shared_memory``: outputs go to the memory, and from there to the PE once the
            task is assigned.
        outages: (PE, from, to): in [from, to) the PE starts nothing, and a task that runs on it pauses. Their end is
            known once they begin, and nothing before.
        deadline_factor: a job is due this many critical paths after its arrival; None: no due dates.
        tick_compat: as in simulators that poll every tick: that a task which took at most one tick has ended is noticed
            one tick late by its successors.
        seed: of arrivals, applications and noise.
    """

    arrivals: str = "exponential"
    scale: float = 100.0
    trace: tuple[tuple[int, int], ...] = ()
    capacity: int = 12
    full: str = "block"
    prefill: bool = False
    length: int | None = 20_000
    jobs: int | None = None
    end: str = "drain"
    warmup: int = 0
    cooldown: int = 0
    stop_after: int | None = None
    noise: str = "gaussian"
    std: float = 0.0
    communication: str = "pe_to_pe"
    outages: tuple[tuple[int, int, int], ...] = ()
    deadline_factor: float | None = None
    tick_compat: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("scenario: field 'arrivals'", self.arrivals, ARRIVALS)
        check_choice("scenario: field 'full'", self.full, FULL_RULES)
        check_choice("scenario: field 'end'", self.end, ENDS)
        check_choice("scenario: field 'noise'", self.noise, NOISES)
        check_choice("scenario: field 'communication'", self.communication, COMMUNICATIONS)
        for name, least, most in (
            ("capacity", 1, MAX_JOBS),
            ("warmup", 0, MAX_TIME),
            ("cooldown", 0, MAX_TIME),
            ("length", 1, MAX_TIME),
            ("jobs", 1, MAX_JOBS),
            ("stop_after", 1, MAX_JOBS),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            if value is None and name in ("length", "jobs", "stop_after"):
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise InputError(f"scenario: field {name!r} is {value!r}; expected an integer in {least} … {most}")
        for name in ("prefill", "tick_compat"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"scenario: field {name!r} is {getattr(self, name)!r}; expected true or false")
        self._check_numbers()
        self._check_source()
        self._check_window()

    def _check_numbers(self) -> None:
        if not _number(self.scale) or not 0 < self.scale <= MAX_TIME:
            raise InputError(
                f"scenario: field 'scale' is {self.scale!r}; expected a mean gap in 0 … {MAX_TIME} ticks, above 0: a "
                "rate of zero brings no jobs, and an infinite one has no gaps"
            )
        if not _number(self.std) or not 0 <= self.std <= 10:
            raise InputError(f"scenario: field 'std' is {self.std!r}; expected a share in 0 … 10")
        if self.deadline_factor is not None and not (_number(self.deadline_factor) and self.deadline_factor > 0):
            raise InputError(f"scenario: field 'deadline_factor' is {self.deadline_factor!r}; expected a number > 0")
        for number, (pe, begin, finish) in enumerate(self.outages):
            if pe < 0 or not 0 <= begin < finish <= MAX_TIME:
                raise InputError(
                    f"scenario: field 'outages', entry {number} is {(pe, begin, finish)}; expected (PE, from, to) with "
                    "0 ≤ from < to"
                )

    def _check_source(self) -> None:
        if self.arrivals == "periodic" and self.scale < 1:
            raise InputError(f"scenario: field 'scale' is {self.scale!r}; periodic gaps need at least 1 tick")
        times = [time for time, _ in self.trace]
        if (self.arrivals == "trace") != bool(self.trace):
            raise InputError("scenario: field 'trace': expected entries if, and only if, arrivals is 'trace'")
        if times != sorted(times) or any(not 0 <= time <= MAX_TIME for time in times):
            raise InputError(f"scenario: field 'trace': expected rising times in 0 … {MAX_TIME}")
        if self.prefill and self.arrivals == "trace":
            raise InputError("scenario: field 'prefill': a trace says itself what arrives at time 0")
        if self.arrivals != "trace" and self.length is None and self.jobs is None:
            raise InputError("scenario: fields 'length' and 'jobs': expected at least one; else the run never ends")

    def _check_window(self) -> None:
        if self.end == "drain" and self.stop_after is not None:
            raise InputError("scenario: field 'stop_after': only end='cut' stops early; use 'jobs' to close the source")
        if self.end == "cut" and self.length is None and self.stop_after is None:
            raise InputError("scenario: end='cut' needs 'length' or 'stop_after'")
        if self.end == "cut" and self.cooldown:
            raise InputError("scenario: field 'cooldown': only end='drain' has one")
        if self.length is None:
            if self.cooldown:
                raise InputError("scenario: field 'cooldown': needs 'length'")
            return
        window = self.length - self.cooldown - self.warmup
        gap = 1.0 if self.arrivals == "trace" else self.scale
        if window < gap:
            raise InputError(
                f"scenario: warmup {self.warmup} and cooldown {self.cooldown} leave {max(window, 0)} of {self.length} "
                f"ticks to count jobs in; expected at least one mean gap, {gap:g}"
            )

    @property
    def most_jobs(self) -> int:
        """The most jobs the source emits: ``jobs``, or eight standard deviations above what ``length`` brings."""
        if self.arrivals == "trace":
            return min(len(self.trace), self.jobs or len(self.trace))
        if self.jobs is not None:
            return self.jobs
        assert self.length is not None
        mean = (
            1.0 / math.expm1(1.0 / self.scale) if self.arrivals == "exponential" else max(1.0, math.floor(self.scale))
        )
        expected = (self.length + 1) / max(mean, 1e-3) if self.arrivals == "exponential" else self.length / mean + 1
        expected += self.capacity if self.prefill else 0
        return min(MAX_JOBS, math.ceil(expected + 8 * math.sqrt(expected) + 8))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
