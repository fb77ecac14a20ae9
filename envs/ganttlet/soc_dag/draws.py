"""The settings of a scenario in a generator: what each may be, how it is drawn, and what all draws have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.rng import key_of, randint
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.sampling import Generator, Span
from ganttlet.soc_dag.scenario import ARRIVALS, COMMUNICATIONS, ENDS, FULL_RULES, MAX_JOBS, MAX_TIME, NOISES, Scenario

# keys that only jobs drawn one after another have a use for, and those that every scenario has
SOURCE = ("arrivals", "scale", "rate", "length", "jobs", "warmup", "cooldown", "end", "stop_after", "prefill")
SYSTEM = (
    "capacity",
    "full",
    "noise",
    "std",
    "communication",
    "deadline_factor",
    "tick_compat",
    "outages",
    "outage_length",
)
PER_RATE = 1000.0  # a rate counts jobs per this many ticks
MOST_OUTAGES = 1000
_WHOLE = {
    "capacity": (1, MAX_JOBS),
    "length": (1, MAX_TIME),
    "jobs": (1, MAX_JOBS),
    "warmup": (0, MAX_TIME),
    "cooldown": (0, MAX_TIME),
    "stop_after": (1, MAX_JOBS),
    "outages": (0, MOST_OUTAGES),
    "outage_length": (1, MAX_TIME // 1024),
}
_REAL = {
    "scale": (1e-6, MAX_TIME, "log"),
    "rate": (PER_RATE / MAX_TIME, 1e9, "log"),
    "std": (0, 10, "real"),
    "deadline_factor": (0.001, 1000, "real"),
}
_NAMED = {
    "arrivals": ARRIVALS,
    "full": FULL_RULES,
    "end": ENDS,
    "noise": NOISES,
    "communication": COMMUNICATIONS,
    "prefill": (False, True),
    "tick_compat": (False, True),
}
_OPTIONAL = ("length", "jobs", "stop_after", "deadline_factor")  # null has a meaning of its own
_SLOTS = {key: 100 + slot for slot, key in enumerate((*SOURCE, *SYSTEM))}
_SEED, _OUTAGE = 50, 51
_NONE = Span((None,))
_ARRAYS = ("trace", "outages", "std", "deadline_factor")  # scenario fields that a Workload holds as arrays


class Draws:
    """The spans of a generator's scenario keys.

    Attributes:
        spans: key -> Span, for keys that are given or have a default.
    """

    def __init__(
        self, generator: Generator, keys: Iterable[str], defaults: Mapping[str, Any], required: Iterable[str] = ()
    ) -> None:
        """Read ``keys`` of the generator's settings; one with neither a value nor a default is left to the scenario.

        For the ``required`` ones null stands for the default.
        """
        given = generator.given
        if given.get("scale") is not None and given.get("rate") is not None:
            raise generator.fail("rate", "nothing, as 'scale' is given; a rate is 1000 / scale")
        self._name = generator.name
        self.spans: dict[str, Span] = {}
        for key in keys:
            optional = key in _OPTIONAL and key not in required
            if key not in defaults and (key not in given or (given[key] is None and not optional)):
                continue
            if key == "scale" and given.get("rate") is not None:
                continue
            if key == "outage_length" and not self.most_outages and given.get(key) is None:
                continue
            default = defaults.get(key)
            if key in _WHOLE:
                self.spans[key] = generator.numbers(key, default, *_WHOLE[key], optional=optional)
            elif key in _REAL:
                least, most, kind = _REAL[key]
                self.spans[key] = generator.numbers(key, default, least, most, kind=kind, optional=optional)
            else:
                self.spans[key] = generator.choices(key, default, _NAMED[key])
        if "outage_length" in self.spans and not self.most_outages:
            raise generator.fail("outage_length", "nothing without 'outages'")
        if self.most_outages and "outage_length" not in self.spans:
            raise generator.fail("outage_length", "the length of the outages in ticks")

    @property
    def most_outages(self) -> int:
        """The most outages of an episode."""
        return int(self.spans["outages"].most) if "outages" in self.spans else 0

    def value(self, key: Any, name: str) -> Any:
        """Return what the stream ``key`` gives for one of the spans."""
        return self.spans[name].draw(key, _SLOTS[name])

    def apply(
        self, workload: Workload, base: Scenario, key: Any, name: str, trace: tuple[tuple[int, int], ...] = ()
    ) -> Workload:
        """Return ``workload`` under a scenario that the stream ``key`` gives, with a seed of its own.

        Args:
            workload: platform and applications; its standard deviations stay unless ``std`` is a setting.
            base: what the settings leave open.
            key: uint64.
            name: of the result.
            trace: the arrivals where the draw is ``arrivals="trace"``; empty: those of ``base``.
        """
        drawn = {setting: self.value(key, setting) for setting in self.spans}
        count, length = drawn.pop("outages", 0), drawn.pop("outage_length", None)
        scenario = replace(self._scenario(base, drawn, trace), seed=int(key_of(key, _SEED, 0)) >> 1)
        if length is not None and count:
            path = int(workload.critical_path.max())
            last = scenario.trace[-1][0] if scenario.trace else int((scenario.jobs or 0) * scenario.scale)
            horizon = max(1, last + path if scenario.length is None else scenario.length)
            outages = self._outages(key, int(count), workload.n_pes, min(horizon, MAX_TIME))
            scenario = replace(scenario, outages=outages)
        factor = scenario.deadline_factor
        due = np.zeros(workload.n_apps) if factor is None else np.maximum(1, np.ceil(factor * workload.critical_path))
        fields = {key: getattr(scenario, key) for key in Scenario.__dataclass_fields__ if key not in _ARRAYS}
        if "std" in drawn:
            tasks = np.arange(workload.exec_time.shape[1])
            fields["std"] = np.where(tasks < workload.n_tasks[:, None], scenario.std, 0.0)
        return replace(
            workload,
            **{**fields, "jobs": scenario.most_jobs},
            name=name,
            deadline=due.astype(np.int64),
            outage=np.array(sorted(scenario.outages), np.int64).reshape(-1, 3),
            trace=np.array(scenario.trace, np.int64).reshape(-1, 2),
        )

    def _scenario(self, base: Scenario, fields: dict[str, Any], trace: tuple[tuple[int, int], ...]) -> Scenario:
        """Return ``base`` with drawn fields, without those that the drawn end or arrivals have no use for."""
        if "rate" in fields:
            fields["scale"] = PER_RATE / fields.pop("rate")
        if len(self.spans.get("end", _NONE).ends) > 1:
            fields.pop("stop_after" if fields["end"] == "drain" else "cooldown", None)
        fields["trace"] = (trace or base.trace) if fields.get("arrivals", base.arrivals) == "trace" else ()
        if fields["trace"] and len(self.spans.get("arrivals", _NONE).ends) > 1:
            fields.pop("prefill", None)
        return replace(base, **fields)

    def _outages(self, key: Any, count: int, n_pes: int, horizon: int) -> tuple[tuple[int, int, int], ...]:
        """Return outages of random PEs that begin at random times before ``horizon``, later where they would touch."""
        stream = np.uint64(key_of(key, _OUTAGE, 0))
        drawn = sorted(
            (int(randint(stream, 2 * n, 0, n_pes - 1)), int(randint(stream, 2 * n + 1, 0, horizon - 1)), n)
            for n in range(count)
        )
        out: list[tuple[int, int, int]] = []
        for pe, begin, n in drawn:
            if out and out[-1][0] == pe:
                begin = max(begin, out[-1][2] + 1)
            length = self.spans["outage_length"].draw(np.uint64(key_of(key, _OUTAGE, 1)), n)
            out.append((pe, begin, begin + length))
        return tuple(one for one in out if one[2] <= MAX_TIME)

    def check(self, base: Scenario, trace: tuple[tuple[int, int], ...] = ()) -> None:
        """Raise InputError naming the field if some draw on ``base`` is not a scenario; ``trace`` is any valid one."""
        try:
            self._corners(base, trace, tightest=True)
        except InputError as error:
            raise InputError(f"generator {self._name!r}: {error}") from None

    def most_jobs(self, base: Scenario, trace: tuple[tuple[int, int], ...] = ()) -> int:
        """Return the most jobs of any draw on ``base``; ``trace`` is the longest one."""
        return max(scenario.most_jobs for scenario in self._corners(base, trace, tightest=False))

    def most_slots(self, base: Scenario) -> int:
        """Return the greatest capacity of any draw on ``base``."""
        return int(self.spans["capacity"].most) if "capacity" in self.spans else base.capacity

    def _corners(self, base: Scenario, trace: tuple[tuple[int, int], ...], tightest: bool) -> list[Scenario]:
        """Return draws at the extremes: those with least time to count jobs in, or those that bring most jobs."""
        values: dict[str, list[Any]] = {}
        for key, span in self.spans.items():
            if key in ("arrivals", "end", "prefill"):
                values[key] = list(dict.fromkeys(span.ends))
            elif key in ("scale", "rate"):
                values[key] = [span.least, span.most]
            elif span.kind == "choice" and isinstance(span.ends[0], str | bool):
                values[key] = [span.ends[0]]
            elif key not in ("outages", "outage_length"):
                low = (key == "length") if tightest else key in ("warmup", "cooldown")
                values[key] = [span.least if low else span.most]
        out = []
        for chosen in product(*values.values()):
            out.append(self._scenario(base, dict(zip(values, chosen, strict=True)), trace))
        return out


def once_or_stream(generator: Generator, most_apps: int) -> tuple[Draws, Scenario]:
    """Return the draws and what they leave open, for generators that draw applications themselves.

    With key ``scale`` or ``rate`` jobs arrive one after another, 100 of them unless ``length`` or ``jobs`` says else.
    Without, every application arrives once, at time 0, and the trace is that of the ``most_apps`` first ones.
    """
    given = generator.given
    if given.get("scale") is not None or given.get("rate") is not None:
        draws = Draws(generator, (*SOURCE, *SYSTEM), {})
        bounded = any(draws.spans[key] != _NONE for key in ("length", "jobs") if key in draws.spans)
        return draws, Scenario(length=None, jobs=100) if not bounded else Scenario()
    for key in SOURCE:
        if given.get(key) is not None:
            raise generator.fail(key, "nothing without 'scale' or 'rate', as every application arrives once, at time 0")
    return Draws(generator, SYSTEM, {}), Scenario(
        arrivals="trace",
        trace=tuple((0, app) for app in range(most_apps)),
        capacity=most_apps,
        full="queue",
        length=None,
    )
