"""Kernels of generator ``level``: a base cluster, VMs that leave, small VMs that come, and new numbers for all."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, randint, uniform

Array = np.ndarray[Any, Any]
Int: TypeAlias = Any  # an integer scalar: Python's outside kernels, NumPy's inside
Key: TypeAlias = Any  # uint64

BOTH = 2
CORES, MEMORY, SPLIT = range(3)  # columns of kinds, of the whole VM
SMALL = 8  # cores; VMs up to this size refill
_PATTERN, _SIDE, _COUNT, _PLACE, _SMALL, _LEAVE, _EXTRA, _REFILL, _HOSTS, _VMS, _SUBSET, _NEAR = range(12)


class Filling(NamedTuple):
    """A cluster under construction: P hosts of two NUMA nodes, room for V VMs.

    Fields:
        cpu, mem: (P, 2) int64, free cores and MB.
        kind, host, numa: (V,) int64, of each VM.
        number: (1,) int64, how many VMs there are.
    """

    cpu: Array
    mem: Array
    kind: Array
    host: Array
    numa: Array
    number: Array


def make_filling(cpu: Array, mem: Array, room: int) -> Filling:
    """Return an empty cluster of these (P, 2) capacities with room for ``room`` VMs."""
    kind, host, numa = np.zeros((3, room), np.int64)
    return Filling(cpu.astype(np.int64), mem.astype(np.int64), kind, host, numa, np.zeros(1, np.int64))


@jit
def _take(filling: Any, kinds: Any, sign: Int, kind: Int, host: Int, numa: Int) -> None:
    """Take (sign 1) or give back (-1) what a VM reserves."""
    cpu, mem = filling[0], filling[1]
    for node in range(2):
        if numa in (BOTH, node):
            share = 2 if numa == BOTH else 1
            cpu[host, node] -= sign * (kinds[kind, CORES] // share)
            mem[host, node] -= sign * (kinds[kind, MEMORY] // share)


@jit
def _add(filling: Any, kinds: Any, kind: Int, host: Int, numa: Int) -> None:
    at = filling[5][0]
    filling[2][at], filling[3][at], filling[4][at] = kind, host, numa
    filling[5][0] += 1
    _take(filling, kinds, 1, kind, host, numa)


@jit
def _room(filling: Any, kinds: Any, kind: Int, host: Int, numa: Int) -> bool:
    """Whether a VM fits on a NUMA node, or on both."""
    cpu, mem = filling[0], filling[1]
    share = 2 if numa == BOTH else 1
    for node in range(2):
        if numa in (BOTH, node):
            short = cpu[host, node] < kinds[kind, CORES] // share or mem[host, node] < kinds[kind, MEMORY] // share
            if short:
                return False
    return True


@jit
def _place_anywhere(filling: Any, kinds: Any, kind: Int, start: Int) -> bool:
    """Put a VM on the first place with room, counting from place ``start``; return whether there was one."""
    n_hosts = filling[0].shape[0]
    split = kinds[kind, SPLIT] == 1
    places = n_hosts if split else 2 * n_hosts
    for step in range(places):
        place = (start + step) % places
        host, numa = (place, BOTH) if split else (place // 2, place % 2)
        if _room(filling, kinds, kind, host, numa):
            _add(filling, kinds, kind, host, numa)
            return True
    return False


@jit
def _place_near(filling: Any, kinds: Any, kind: Int, start: Int, kept: Any, wanted: Int) -> bool:
    """As :func:`_place_anywhere`, but on a NUMA node that is to keep ``wanted`` free cores, if one has room."""
    n_hosts = filling[0].shape[0]
    if kinds[kind, SPLIT] == 0:
        for step in range(2 * n_hosts):
            place = (start + step) % (2 * n_hosts)
            host, numa = place // 2, place % 2
            if kept[host, numa] == wanted and _room(filling, kinds, kind, host, numa):
                _add(filling, kinds, kind, host, numa)
                return True
    return _place_anywhere(filling, kinds, kind, start)


@jit
def _place_best(filling: Any, kinds: Any, kind: Int) -> bool:
    """Put a VM where the fewest free cores are left, the first of equal places; return whether it fits anywhere."""
    cpu = filling[0]
    split = kinds[kind, SPLIT] == 1
    best, best_host, best_numa = np.int64(-1), 0, -1
    for host in range(cpu.shape[0]):
        for numa in range(2):
            node = BOTH if split else numa
            if (split and numa == 1) or not _room(filling, kinds, kind, host, node):
                continue
            left = cpu[host, 0] + cpu[host, 1] if split else cpu[host, numa]
            if best < 0 or left < best:
                best, best_host, best_numa = left, host, node
    if best >= 0:
        _add(filling, kinds, kind, best_host, best_numa)
    return best_numa >= 0


@jit
def _draw(cumulative: Any, point: float) -> Int:
    """Return the first index whose cumulative weight exceeds ``point`` (0 … 1) of the total."""
    target = point * cumulative[-1]
    at = 0
    while at < cumulative.shape[0] - 1 and cumulative[at] <= target:
        at += 1
    return at


@jit
def build_base(
    filling: Any, kinds: Any, frequency: Any, free: Any, free_weight: Any, near: Any, small: Any, key: Key
) -> None:
    """Fill an empty cluster so that the free cores and the kinds of VM are distributed as given.

    Each host is to keep the free cores of a pattern, which also says whether it holds a VM of the first kind;
    patterns come up as often as their weights say, rounded up or down. Kinds that are split or large come up likewise
    (cores that rounding loses or gains are made up for by the next kind), and are put on random hosts with room, the
    largest first; the rest is filled by small VMs drawn by frequency. A VM that is not split goes to a NUMA node that
    keeps as many free cores as VMs of its kind have beside them.

    Args:
        filling: as from :func:`make_filling`.
        kinds: (F, 3) int64, in the order in which they are placed, small ones that are not split last.
        frequency: (F,) float64, VMs of each kind per host.
        free: (R, 3) int64, free cores of the two NUMA nodes of a host, and VMs of the first kind on it.
        free_weight: (R,) float64, cumulative weights.
        near: (F, N) float64, cumulative weights of 0 … N-1 free cores beside a VM of each kind.
        small: (F,) float64, cumulative weights of the kinds in the last step.
        key: the stream.
    """
    cpu = filling[0]
    n_hosts = cpu.shape[0]
    kept = np.empty((n_hosts, 2), np.int64)
    shift = uniform(key_of(key, _PATTERN, 0), 0)
    sides = key_of(key, _SIDE, 0)
    wanted = 0
    for host in range(n_hosts):
        pattern = _draw(free_weight, (host + shift) / n_hosts)
        side = randint(sides, host, 0, 1)
        for node in range(2):
            kept[host, node] = min(free[pattern, node ^ side], cpu[host, node])
            cpu[host, node] -= kept[host, node]
        for _ in range(free[pattern, 2]):
            _add(filling, kinds, 0, host, BOTH)
        wanted += cpu[host, 0] + cpu[host, 1]
    counts, places, draws = key_of(key, _COUNT, 0), key_of(key, _PLACE, 0), key_of(key, _SMALL, 0)
    beside = key_of(key, _NEAR, 0)
    placed = 0
    n_kinds = kinds.shape[0]
    owed = kinds[0, CORES] * (frequency[0] * n_hosts - filling[5][0])
    for kind in range(1, n_kinds):
        if small[kind] > 0.0:
            break
        owed += kinds[kind, CORES] * frequency[kind] * n_hosts
        for _ in range(np.int64(max(0.0, owed / kinds[kind, CORES] + uniform(counts, kind)))):
            placed += 1
            owed -= kinds[kind, CORES]
            spot, rest = randint(places, placed, 0, 2 * n_hosts - 1), _draw(near[kind], uniform(beside, placed))
            if _place_near(filling, kinds, kind, spot, kept, rest):
                wanted -= kinds[kind, CORES]
    draw = 0
    while wanted > 0 and filling[5][0] < filling[2].shape[0]:
        draw, placed = draw + 1, placed + 1
        kind = _draw(small, uniform(draws, draw))
        spot, rest = randint(places, placed, 0, 2 * n_hosts - 1), _draw(near[kind], uniform(beside, placed))
        while kind < n_kinds and not _place_near(filling, kinds, kind, spot, kept, rest):
            kind += 1
        if kind == n_kinds:
            break
        wanted -= kinds[kind, CORES]
    for host in range(n_hosts):
        cpu[host, 0] += kept[host, 0]
        cpu[host, 1] += kept[host, 1]


@jit
def leave(filling: Any, kinds: Any, probability: float, most: Int, key: Key) -> None:
    """Let each VM go with ``probability``, and as many more as it takes that ``most`` are left; one always stays."""
    own, host, numa, count = filling[2], filling[3], filling[4], filling[5]
    stream = key_of(key, _LEAVE, 0)
    stay = 0
    for vm in range(count[0]):
        last = vm == count[0] - 1 and stay == 0
        if uniform(stream, vm) < probability and not last:
            _take(filling, kinds, -1, own[vm], host[vm], numa[vm])
            continue
        own[stay], host[stay], numa[stay] = own[vm], host[vm], numa[vm]
        stay += 1
    stream = key_of(key, _EXTRA, 0)
    while stay > most:
        vm = randint(stream, stay, 0, stay - 1)
        stay -= 1
        _take(filling, kinds, -1, own[vm], host[vm], numa[vm])
        own[vm], host[vm], numa[vm] = own[stay], host[stay], numa[stay]
    count[0] = stay


@jit
def refill(filling: Any, kinds: Any, weights: Any, cores: Int, most: Int, key: Key) -> None:
    """Add VMs drawn by cumulative ``weights`` (F,), best fit by free cores, until they reserve ``cores`` more cores.

    It ends early if there are ``most`` VMs, or if as many draws in a row as there are kinds, times 8, fit nowhere.
    """
    stream = key_of(key, _REFILL, 0)
    draw, failed = 0, 0
    while cores > 0 and filling[5][0] < most and failed < 8 * kinds.shape[0]:
        kind = _draw(weights, uniform(stream, draw))
        draw += 1
        if _place_best(filling, kinds, kind):
            cores, failed = cores - kinds[kind, CORES], 0
        else:
            failed += 1


@jit
def shuffled(n: Int, stream: Key) -> Any:
    """Return a random order of 0 … n-1."""
    order = np.arange(n)
    for i in range(n - 1, 0, -1):
        k = randint(stream, i, 0, i)
        order[i], order[k] = order[k], order[i]
    return order


@jit
def renumber(filling: Any, key: Key) -> Any:
    """Give hosts and VMs random new numbers; return the hosts (P,) in their new order.

    The free resources keep the old numbers: nobody needs them any more.
    """
    own, host, numa, count = filling[2], filling[3], filling[4], filling[5][0]
    hosts = shuffled(filling[0].shape[0], key_of(key, _HOSTS, 0))
    number = np.empty_like(hosts)
    for new in range(hosts.shape[0]):
        number[hosts[new]] = new
    vms = shuffled(count, key_of(key, _VMS, 0))
    rows = np.empty((count, 3), np.int64)
    for new in range(count):
        old = vms[new]
        rows[new, 0], rows[new, 1], rows[new, 2] = own[old], number[host[old]], numa[old]
    for new in range(count):
        own[new], host[new], numa[new] = rows[new, 0], rows[new, 1], rows[new, 2]
    return hosts


@jit
def pick_hosts(filling: Any, kinds: Any, base: Any, key: Key) -> Any:
    """Fill an empty cluster with random hosts of a base and all their VMs; return the hosts (P,) that it took.

    Args:
        filling: as many hosts as wanted; its capacities are replaced.
        kinds: (F, 3) int64.
        base: capacities (Q, 2) in cores and in MB, and kind, host and NUMA node (V,) of the VMs.
        key: the stream.
    """
    cpu, mem, own, host, numa = base
    hosts = shuffled(cpu.shape[0], key_of(key, _SUBSET, 0))[: filling[0].shape[0]]
    number = np.full(cpu.shape[0], -1)
    for new in range(hosts.shape[0]):
        number[hosts[new]] = new
        filling[0][new] = cpu[hosts[new]]
        filling[1][new] = mem[hosts[new]]
    for vm in range(own.shape[0]):
        if number[host[vm]] >= 0:
            _add(filling, kinds, own[vm], number[host[vm]], numa[vm])
    return hosts
