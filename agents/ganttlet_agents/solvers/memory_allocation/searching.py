"""One search of :mod:`tree`, its arrays, and restarts of it with other priorities until it ends or time is up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ganttlet_agents.solvers.memory_allocation.problem import Ints, Part
from ganttlet_agents.solvers.memory_allocation.tree import (
    FOUND,
    FULL,
    LEFT,
    N_COUNTERS,
    NODES,
    NONE,
    PAUSED,
    lift,
    search,
    tighten,
)

SHORT = 1.5  # decisions of a short run, as a multiple of the number of buffers
WIDTHS = (0.03, 0.1, 0.3)  # of the noise on the logarithm of priorities
SLICE = 250_000  # decisions x buffers between two looks at the clock
MEMBERS = 5_000_000  # largest sum over sections of their buffers that is searched


class Search:
    """A search for packings of one part; ``weight`` (sections,), failures so far, guides all its runs.

    Attributes:
        nodes: decisions of all runs.
        offset: (m,) int64, the packing that the last run found.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        m, sections = len(part.size), part.n_sections
        lives = np.repeat(np.arange(m), part.last - part.first)
        section = np.concatenate([np.arange(a, b) for a, b in zip(part.first, part.last, strict=True)])
        order = np.argsort(section, kind="stable")
        self._member = lives[order].astype(np.int32)
        self._member_at = np.searchsorted(section[order], np.arange(sections + 1)).astype(np.int64)
        alike: dict[tuple[int, ...], int] = {}
        rows = zip(part.first, part.last, part.size, part.alignment, strict=True)
        keys = [tuple(map(int, row)) if part.fixed[k] < 0 else (-1, k) for k, row in enumerate(rows)]
        self._twin = np.array([alike.setdefault(key, k) for k, key in enumerate(keys)], np.int64)
        self._pins = np.flatnonzero(part.fixed >= 0)
        self._trail: tuple[NDArray[np.int32], Ints] = (
            np.zeros(8 * (m + sections), np.int32),
            np.zeros(8 * (m + sections), np.int64),
        )
        self._spanning = np.zeros(sections + 1, np.int64)
        for first, last in zip(part.first, part.last, strict=True):
            self._spanning[first + 1 : last] += 1
        self.weight = np.ones(sections)
        self.nodes = 0
        self.offset = np.full(m, -1, np.int64)

    @staticmethod
    def size_of(part: Part) -> int:
        """Return the sum over sections of their buffers, which memory and time of a search grow with."""
        return int((part.last - part.first).sum())

    def start(self, height: int, priority: NDArray[np.float64]) -> bool:
        """Begin a run for packings of at most ``height``; return whether there can be any.

        Args:
            height: in units.
            priority: (m,) float64; of the buffers that may be placed the highest goes first.
        """
        part, m, sections = self.part, len(self.part.size), self.part.n_sections
        self.height, self.priority = height, priority
        most = np.where(part.fixed >= 0, part.fixed, height - part.size)
        self._facts = (
            part.first,
            part.last,
            part.size,
            part.alignment,
            part.fixed,
            most,
            self._twin,
            self._pins,
            self._member,
            self._member_at,
        )
        low = np.maximum(part.fixed, 0)
        for k in np.flatnonzero(part.fixed < 0) if len(self._pins) else ():
            low[k] = lift(k, np.int64(0), *self._facts[:4], self._pins, part.fixed)
        self.counters = np.zeros(N_COUNTERS, np.int64)
        self.counters[LEFT] = m
        self._path = (
            np.zeros(m + 1, np.int64),
            np.zeros(m + 1, np.int64),
            np.zeros(m + 2, np.int64),
            np.zeros((m + 1, 2), np.int64),
        )
        self.state = (
            np.zeros(sections, np.int64),
            part.load.copy(),
            low,
            np.zeros(m, np.bool_),
            np.ones(sections, np.bool_),
            np.full(m + sections, -1, np.int64),
            *self._trail,
            self.counters,
            np.arange(m),
            np.arange(m),
            self._spanning.copy(),
            self.weight,
            self.offset,
        )
        self.offset.fill(-1)
        if (low > most).any():
            return False
        dead: int = tighten(0, sections, height, self._facts, self.state, 0)
        return dead < 0

    def go(self, limit: int) -> int:
        """Go on for at most ``limit`` decisions; return PAUSED, FOUND or NONE."""
        before = int(self.counters[NODES])
        while True:
            left = limit - (int(self.counters[NODES]) - before)
            status: int = search(self.height, left, self.priority, self._facts, self.state, self._path)
            if status != FULL:
                self.nodes += int(self.counters[NODES]) - before
                return status
            at, old = self._trail
            self._trail = np.concatenate([at, np.zeros_like(at)]), np.concatenate([old, np.zeros_like(old)])
            self.state = (*self.state[:6], *self._trail, *self.state[8:])


class Restarts:
    """Runs of a search, one after the other: every second one short, the others of Luby's lengths.

    Short runs find packings, long ones prove that there is none. Priorities are of several kinds, with noise.

    Args:
        part: the part.
        rng: of the noise.
    """

    def __init__(self, part: Part, rng: np.random.Generator) -> None:
        self.part, self.rng, self.runs = part, rng, 0
        self.search = Search(part)
        long, size = (part.last - part.first).astype(float), part.size.astype(float)
        self.kinds = (long * size, long, part.lifetime * size, part.lifetime, long * np.sqrt(size), size)

    def run(self, height: int, budget: int, stop: Callable[[], bool]) -> tuple[int, Ints | None]:
        """Look for a packing of at most ``height`` with about ``budget`` decisions.

        Args:
            height: in units.
            budget: decisions, rounded up to whole runs.
            stop: called between slices; True ends the search.

        Returns:
            FOUND and offsets (m,), or NONE if there is none, or PAUSED.
        """
        m, spent = len(self.part.size), 0
        step = max(20, SLICE // m)
        while spent < budget and not stop():
            kind = self.kinds[self.runs % len(self.kinds)]
            width = WIDTHS[self.runs // len(self.kinds) % len(WIDTHS)]
            priority = kind * np.exp(width * self.rng.standard_normal(m))
            half, odd = divmod(self.runs, 2)
            limit = int(SHORT * m) * (luby(half + 1) if odd else 1)
            self.runs += 1
            if not self.search.start(height, priority):
                return NONE, None
            done = 0
            while done < limit:
                status = self.search.go(min(step, limit - done))
                done += step
                if status == FOUND:
                    return FOUND, self.search.offset.copy()
                if status == NONE:
                    return NONE, None
                if stop():
                    break
            spent += min(done, limit)
        return PAUSED, None


def luby(index: int) -> int:
    """Return entry ``index`` (from 1) of Luby's sequence 1, 1, 2, 1, 1, 2, 4, …"""
    while True:
        power = index.bit_length()
        if index == 2**power - 1:
            return int(2 ** (power - 1))
        index -= 2 ** (power - 1) - 1
