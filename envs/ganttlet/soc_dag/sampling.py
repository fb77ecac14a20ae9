"""What all generators of workloads have in common: settings that are checked key by key, seeds, and upper limits."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.rng import key_of, randint, uniform
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.layout import Sizes
from ganttlet.soc_dag.platform import Cluster, Platform

SAME_PE = 2**31 - 1  # bandwidth at which no volume of a drawn platform takes time


def plain_platform(
    name: str, clusters: tuple[Cluster, ...], times: Mapping[str, Mapping[str, Sequence[float | None]]], source: str
) -> Platform:
    """Return a platform on which a volume of v takes v ticks between any two PEs, and none from a PE to itself.

    The way through the memory takes as long, half of it to the memory and half from there.
    """
    n = len(clusters)
    return Platform(name, clusters, [[1] * n] * n, SAME_PE, times, bandwidth_to_memory=[2] * n, source=source)


def plain_cluster(name: str, count: int, kind: str = "other") -> Cluster:
    """Return a cluster whose PEs draw 1 W when busy and 0.1 W when idle; figures of our own."""
    busy = [count * 0.1 + 0.9 * (number + 1) for number in range(count)]
    return Cluster(name, count, kind, power={0: busy}, leak_w=0.1)


@dataclass(frozen=True)
class Span:
    """The values a setting allows.

    Fields:
        ends: values, each as likely as the others; of a range its low and its high end.
        kind: ``choice``, or how to draw from a range: ``whole`` (integers, both ends included), ``real``, ``log`` (the
            logarithm is uniform).
    """

    ends: tuple[Any, ...]
    kind: str = "choice"

    def draw(self, key: Any, slot: int) -> Any:
        """Return the value that draw ``slot`` of the stream ``key`` (uint64) gives."""
        if len(self.ends) == 1:
            return self.ends[0]
        if self.kind == "choice":
            return self.ends[int(randint(key, slot, 0, len(self.ends) - 1))]
        low, high = self.ends
        if self.kind == "whole":
            return int(randint(key, slot, low, high))
        share = float(uniform(key, slot))
        if self.kind == "real":
            return low + share * (high - low)
        return min(high, low * math.exp(share * math.log(high / low)))

    @property
    def least(self) -> Any:
        """The least value, None if there is none but None."""
        return min((value for value in self.ends if value is not None), default=None)

    @property
    def most(self) -> Any:
        """The greatest value, None if there is none but None."""
        return max((value for value in self.ends if value is not None), default=None)

    @property
    def plain(self) -> Any:
        """The setting that describes it."""
        return self.ends[0] if len(self.ends) == 1 else list(self.ends)


class Generator(ABC):
    """A named distribution of workloads; made by :func:`ganttlet.soc_dag.generator.make_generator`.

    Attributes:
        name: the distribution.
        settings: the settings with every default filled in; those it lacks are not used, or up to the base workload.
        sizes: padded sizes that every workload fits.
    """

    name: str = ""
    keys: tuple[str, ...] = ()
    sizes: Sizes

    def __init__(self, settings: Mapping[str, Any]) -> None:
        check_keys(f"generator {self.name!r}", settings, ("name", *self.keys))
        self.given = settings
        self.settings: dict[str, Any] = {"name": self.name}

    def sample(self, seed: int) -> Workload:
        """Return the instance of ``seed`` (any integer of 64 bits); the same in every process."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not -(2**63) <= seed < 2**64:
            raise InputError(f"generator {self.name!r}: seed {seed!r}; expected an integer of 64 bits")
        return self.draw(np.uint64(key_of(np.uint64(int(seed) % 2**64), 0, 0)), f"s{seed}")

    def sample_key(self, key: int) -> Workload:
        """Return the instance of ``key`` (uint64, see ganttlet.core.rng.key_of)."""
        return self.draw(np.uint64(key), f"key{int(key):016x}")

    @abstractmethod
    def draw(self, key: Any, suffix: str) -> Workload:
        """Return the instance of ``key`` (a NumPy uint64: Numba takes larger Python integers for int64)."""

    def fail(self, key: str, expected: str) -> InputError:
        """Return the error that ``key`` is not what was expected."""
        return InputError(f"generator {self.name!r}: key {key!r}: expected {expected}, got {self.given.get(key)!r}")

    def numbers(
        self,
        key: str,
        default: Any,
        least: float,
        most: float,
        *,
        kind: str = "whole",
        optional: bool = False,
    ) -> Span:
        """Read a number, a range [low, high], or three or more numbers to choose among, all in ``least`` … ``most``.

        Args:
            key: the setting.
            default: what counts if it is not given: a number, a range, or None.
            least, most: bounds of the numbers, both included.
            kind: of the range, as in Span; ``whole`` allows integers only.
            optional: whether null is a value of its own; else it stands for the default.
        """
        value = self.given.get(key)
        if value is None and not (optional and key in self.given):
            value = default
        listed = tuple(value) if isinstance(value, list | tuple) else (value,)
        types = int | np.integer if kind == "whole" else int | float | np.integer | np.floating
        if value is None and optional:
            self.settings[key] = None
            return Span((None,))
        good = [isinstance(one, types) and not isinstance(one, bool) and least <= one <= most for one in listed]
        if not listed or not all(good) or (len(listed) == 2 and listed[0] > listed[1]):
            word = "an integer" if kind == "whole" else "a number"
            raise self.fail(key, f"{word}, [low, high] or three and more to choose among, in {least:g} … {most:g}")
        ends = tuple(int(one) if kind == "whole" else float(one) for one in listed)
        span = Span(ends[:1] if len(set(ends)) == 1 else ends, kind if len(ends) == 2 else "choice")
        self.settings[key] = span.plain
        return span

    def choices(self, key: str, default: Any, known: Iterable[Any]) -> Span:
        """Read one of the ``known`` values, or a list of them to choose among."""
        known = tuple(known)
        value = self.given.get(key)
        value = default if value is None else value
        listed = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not listed:
            raise self.fail(key, "at least one value")
        for one in listed:
            if not isinstance(known[0], bool):
                check_choice(f"generator {self.name!r}: key {key!r}", one, known)
            elif not isinstance(one, bool):
                raise self.fail(key, "true, false or a list of them")
        span = Span(listed)
        self.settings[key] = span.plain
        return span

    def labels(self, key: str, default: str | None) -> Span:
        """Read a name or a list of names to choose among; null is one of them if it is the default.

        What the names may be is checked where they are used.
        """
        value = self.given.get(key)
        value = default if value is None else value
        listed = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not listed or not all((isinstance(one, str) and one) or one is default is None for one in listed):
            raise self.fail(key, "a name or a list of names to choose among")
        span = Span(listed)
        self.settings[key] = span.plain
        return span
