"""What all generators of clusters have in common: settings that are checked key by key, seeds, and upper limits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_keys
from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, randint
from ganttlet.vm_rescheduling.instance import BLOCK, MEMORY_BLOCK, Array, Cluster

INT32_MAX = 2**31 - 1
_GROUPS = 1000  # stream of the anti-affinity groups
_TRIES = 20  # draws per wanted member of a group
Range = tuple[int, int]


class Generator(ABC):
    """A named distribution of clusters; made by :func:`ganttlet.vm_rescheduling.generator.make_generator`.

    Attributes:
        name: the distribution.
        settings: the settings with every default filled in.
        max_hosts, max_vms, max_moves, max_kinds, max_groups, max_members: no instance has more hosts, VMs, moves in a
            plan, kinds of VM (different cores, memory and split), anti-affinity groups, pairs of group and VM; at least
            1.
        n_numa: NUMA nodes per host.
        is_pods: whether instances are pod-packing problems.
    """

    name: str = ""
    keys: tuple[str, ...] = ()
    n_numa: int = 2
    is_pods: bool = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        check_keys(f"generator {self.name!r}", settings, ("name", *self.keys))
        self.given = settings
        self.settings: dict[str, Any] = {"name": self.name}
        self.max_hosts = self.max_vms = self.max_moves = self.max_kinds = self.max_groups = self.max_members = 1

    def sample(self, seed: int) -> Cluster:
        """Return the instance of ``seed`` (any integer of 64 bits); the same in every process."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not -(2**63) <= seed < 2**64:
            raise InputError(f"generator {self.name!r}: seed {seed!r}; expected an integer of 64 bits")
        return self.draw(np.uint64(key_of(np.uint64(int(seed) % 2**64), 0, 0)), f"seed{seed}")

    def sample_key(self, key: int) -> Cluster:
        """Return the instance of ``key`` (uint64, see ganttlet.core.rng.key_of)."""
        return self.draw(np.uint64(key), f"key{int(key):016x}")

    @abstractmethod
    def draw(self, key: Any, suffix: str) -> Cluster:
        """Return the instance of ``key`` (a NumPy uint64: Numba takes larger Python integers for int64)."""

    def fail(self, key: str, expected: str) -> InputError:
        """Return the error that ``key`` is not what was expected."""
        return InputError(f"generator {self.name!r}: key {key!r}: expected {expected}, got {self.given.get(key)!r}")

    def whole(self, key: str, default: int | Range | None, least: int, most: int = INT32_MAX) -> Range:
        """Return an integer or a pair [low, high] as (low, high), both in ``least`` … ``most``."""
        value = self.given.get(key)
        if value is None:
            if default is None:
                raise InputError(f"generator {self.name!r}: key {key!r} is missing")
            value = default
        pair = value if isinstance(value, list | tuple) else (value, value)
        integers = all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in pair)
        if len(pair) != 2 or not integers or not least <= pair[0] <= pair[1] <= most:
            limit = f"at least {least}" if most == INT32_MAX else f"{least} … {most}"
            raise self.fail(key, f"an integer or [low, high] of {limit}")
        self.settings[key] = int(pair[0]) if pair[0] == pair[1] else [int(pair[0]), int(pair[1])]
        return int(pair[0]), int(pair[1])

    def real(self, key: str, default: float | None, least: float, most: float) -> tuple[float, float]:
        """Return a number or a pair [low, high] as (low, high), both in ``least`` … ``most``."""
        value = self.given.get(key)
        if value is None:
            if default is None:
                raise InputError(f"generator {self.name!r}: key {key!r} is missing")
            value = default
        pair = value if isinstance(value, list | tuple) else (value, value)
        numbers = all(isinstance(one, int | float | np.number) and not isinstance(one, bool) for one in pair)
        if len(pair) != 2 or not numbers or not least <= pair[0] <= pair[1] <= most:
            raise self.fail(key, f"a number or [low, high] in {least:g} … {most:g}")
        self.settings[key] = float(pair[0]) if pair[0] == pair[1] else [float(pair[0]), float(pair[1])]
        return float(pair[0]), float(pair[1])

    def one(self, key: str, default: float | None, least: float, most: float) -> float:
        """Return a single number in ``least`` … ``most``."""
        low, high = self.real(key, default, least, most)
        if low != high:
            raise self.fail(key, f"one number in {least:g} … {most:g}")
        return low

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.given.get(key)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self.fail(key, "true or false")
        self.settings[key] = value
        return value

    def objective_options(self, block: int | Range = BLOCK, memory_block: int = MEMORY_BLOCK) -> dict[str, Any]:
        """Return ``block`` (a range), ``memory_block``, ``mix`` and ``goal`` as fields of a Cluster."""
        low, high = self.whole("memory_block", memory_block, 1)
        if low != high:
            raise self.fail("memory_block", "one integer of at least 1")
        fields = {"block": self.whole("block", block, 1), "memory_block": low, "mix": self.one("mix", 0.5, 0, 1)}
        self.settings["goal"] = None
        fields["goal"] = None if self.given.get("goal") is None else self.one("goal", None, 0, 1)
        return fields

    def set_groups(self, hosts: int) -> None:
        """Read ``groups`` and ``group_size`` and set what follows from them; there are at least ``hosts`` hosts."""
        self._groups, self._size = self.whole("groups", 0, 0), self.whole("group_size", min(10, hosts), 1)
        if self._groups[1] and self._size[1] > hosts:
            raise self.fail("group_size", f"at most {hosts}, as members lie on different hosts")
        self.max_groups = max(1, self._groups[1])
        self.max_members = max(1, self._groups[1] * self._size[1])

    def draw_groups(self, host: Array, n_hosts: int, key: Any) -> Array | None:
        """Return random anti-affinity pairs (M, 2), in order of the VMs, of VMs on the hosts ``host`` (V,) int64."""
        if not self._groups[1]:
            return None
        pairs = np.zeros((self.max_members, 2), np.int64)
        stream = np.uint64(key_of(key, _GROUPS, 0))
        count = fill_groups(host, n_hosts, pick(stream, 0, self._groups), *self._size, stream, pairs)
        return pairs[:count][np.lexsort((pairs[:count, 0], pairs[:count, 1]))]


@jit
def fill_groups(host: Any, n_hosts: Any, n_groups: Any, low: Any, high: Any, key: Any, pairs: Any) -> int:
    """Write pairs (group, VM) of random groups into ``pairs`` (n, 2), n ≥ n_groups · high; return how many.

    The members of a group lie on different hosts; it has ``low`` … ``high`` of them, or fewer if too few are found.
    """
    taken = np.full(n_hosts, -1)
    n = 0
    for group in range(n_groups):
        stream = key_of(key, 1, group)
        size = randint(stream, 0, low, high)
        for draw in range(_TRIES * size):
            vm = randint(stream, 1 + draw, 0, host.shape[0] - 1)
            if size > 0 and taken[host[vm]] != group:
                taken[host[vm]] = group
                pairs[n, 0], pairs[n, 1] = group, vm
                n, size = n + 1, size - 1
    return n


def pick(key: Any, slot: int, bounds: Range) -> int:
    """Return draw ``slot`` of the stream ``key``, uniform on the bounds, both included."""
    return int(randint(key, slot, *bounds))
