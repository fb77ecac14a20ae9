"""Schedulers for pods: which node a pending pod goes to, by kube-scheduler's scores, first fit or preemption.

The scores are those of kube-scheduler's plugins NodeResourcesFit (LeastAllocated, MostAllocated) and
NodeResourcesBalancedAllocation; formulas and their equal weights are written down from memory, not checked against its
source, and not rounded to integers as it does. The same holds for how preemption chooses, but for its measure of
disruption, which is the objective's.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import check_choice
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet.vm_rescheduling.usage import NOWHERE
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome
from ganttlet_agents.rules.pod_plans import Board, carry_out, pods_only, shares

Floats = NDArray[np.float64]
Score = Callable[[Board, int], Floats]
TIES = ("index", "random")
NEAR = 1e-9  # scores that differ by less are equal


def used_shares(board: Board, pod: int) -> Floats:
    """Return (P, 2), the shares of each node's cpu and memory that are used once ``pod`` is there too."""
    left = board.free - board.size[pod]
    used: Floats = 1.0 - np.divide(left, board.room, out=np.zeros(left.shape), where=board.room > 0)
    return used


def kube_score(board: Board, pod: int) -> Floats:
    """Return (P,) LeastAllocated + BalancedAllocation: 100 x (mean free share + 1 - deviation of used shares)."""
    used = used_shares(board, pod)
    score: Floats = 100.0 * (1.0 - used).mean(axis=1) + 100.0 * (1.0 - used.std(axis=1))
    return score


def most_allocated_score(board: Board, pod: int) -> Floats:
    """Return (P,) MostAllocated: the mean used share x 100."""
    score: Floats = 100.0 * used_shares(board, pod).mean(axis=1)
    return score


def queue_of(instance: Cluster, size_first: bool = False) -> list[int]:
    """Return the pods in queue order: by priority from the highest, then by index, or by size from the largest."""
    keys = (-shares(instance), -instance.tier) if size_first else (-instance.tier,)
    queue: list[int] = np.lexsort(keys).tolist()
    return queue


def _best(board: Board, pod: int, score: Score, rng: np.random.Generator | None = None) -> int:
    """Return the node of the highest score among those that fit, the first of equal ones or any of them; or -1."""
    nodes = np.flatnonzero(board.fits(pod))
    if len(nodes) == 0:
        return NOWHERE
    scores = score(board, pod)[nodes]
    top = nodes[scores >= scores.max() - NEAR]
    return int(top[0] if rng is None else rng.choice(top))


def _place(board: Board, score: Score, rng: np.random.Generator | None) -> None:
    for pod in queue_of(board.instance):
        if board.host[pod] == NOWHERE:
            node = _best(board, pod, score, rng)
            if node != NOWHERE:
                board.move(pod, node)


def _first_fit(board: Board) -> None:
    for pod in queue_of(board.instance, size_first=True):
        if board.host[pod] == NOWHERE:
            fits = board.fits(pod)
            if fits.any():
                board.move(pod, int(fits.argmax()))


def _repack(instance: Cluster) -> Board:
    """First fit of all pods on empty nodes, as far as it can be carried out; of the pending alone if that is better."""
    scratch = Board(instance)
    scratch.free[:] = scratch.room
    scratch.host[:] = NOWHERE
    scratch.left = 2 * instance.n_vms
    _first_fit(scratch)
    packed, pending = carry_out(instance, scratch.host)[0], Board(instance)
    for board in (packed, pending):
        _first_fit(board)
    return packed if packed.unplaced() < pending.unplaced() else pending


def _preempt(board: Board) -> None:
    instance = board.instance
    queue = [(-int(instance.priority[pod]), pod) for pod in np.flatnonzero(board.host == NOWHERE).tolist()]
    heapq.heapify(queue)
    while queue:
        pod = heapq.heappop(queue)[1]
        node = _best(board, pod, kube_score)
        if node == NOWHERE:
            node, victims = _victims(board, pod)
            if node == NOWHERE:
                continue
            for victim in victims:
                other = _best(board, victim, kube_score)
                board.move(victim, other)
                if other == NOWHERE:
                    heapq.heappush(queue, (-int(instance.priority[victim]), victim))
        board.move(pod, node)


def _victims(board: Board, pod: int) -> tuple[int, list[int]]:
    """Return the node where the least important pods must go for ``pod`` to fit, and these pods; (-1, []) if none is.

    On each node all pods of lower priority are taken off, and those that still fit beside ``pod`` put back, the most
    important first and then the smallest. Nodes compare by the weight of those that do not fit, as in objective
    ``unplaced``.
    """
    instance, size = board.instance, board.size
    lower = np.flatnonzero((instance.priority < instance.priority[pod]) & (board.host != NOWHERE))
    lower = lower[np.lexsort((shares(instance)[lower], -instance.tier[lower]))]
    free = board.free.copy()
    np.add.at(free, board.host[lower], size[lower])
    best: tuple[int, int, list[int]] | None = None
    for node in np.flatnonzero((free >= size[pod]).all(axis=1)).tolist():
        here = lower[board.host[lower] == node].tolist()
        mates = {mate for mate in board.mates.get(pod, ()) if board.host[mate] == node}
        if not mates <= set(here):
            continue
        room, victims = free[node] - size[pod], []
        for other in here:
            if other not in mates and (size[other] <= room).all():
                room = room - size[other]
            else:
                victims.append(other)
        weight = int(instance.weight[victims].sum())
        if len(victims) + board.cost(pod) <= board.left and (best is None or weight < best[0]):
            best = weight, node, victims
    return (NOWHERE, []) if best is None else best[1:]


def _random(board: Board, rng: np.random.Generator) -> None:
    for pod in rng.permutation(np.flatnonzero(board.host == NOWHERE)).tolist():
        nodes = np.flatnonzero(board.fits(pod))
        if len(nodes):
            board.move(pod, int(rng.choice(nodes)))


def run_pod_rule(name: str, instance: Cluster, *, ties: str = "index", repack: bool = False, seed: int = 0) -> Plan:
    """Return the plan of a pod rule; it keeps the instance's limit.

    Args:
        name: ``kube``, ``most_allocated``, ``ffd``, ``preempt`` or ``pod_random``.
        instance: a cluster with priorities.
        ties: of ``kube`` and ``most_allocated``: the first of equally good nodes, or any of them.
        repack: of ``ffd``: pack all pods anew instead of the pending ones alone.
        seed: of random choices.

    Raises:
        InputError: for an unknown rule or ``ties``, or an instance without priorities.
    """
    check_choice("rule", name, RULES)
    check_choice("ties", ties, TIES)
    pods_only(f"rule:{name}", instance)
    board, rng = Board(instance), np.random.default_rng(seed)
    if name == "preempt":
        _preempt(board)
    elif name == "pod_random":
        _random(board, rng)
    elif name == "ffd":
        if repack:
            board = _repack(instance)
        else:
            _first_fit(board)
    else:
        _place(board, SCORES[name], rng if ties == "random" else None)
    return board.plan()


@dataclass(frozen=True)
class PodRule:
    """A pod rule as the evaluator calls it."""

    name: str
    options: dict[str, Any]

    def solve(self, instance: Cluster, *, objective: str, seed: int) -> Outcome:
        """Return the rule's plan and the number of its moves."""
        plan = run_pod_rule(self.name, instance, seed=seed, **self.options)
        return Outcome(plan, decisions=len(plan.moves))


_TIE = {"ties": Option(str, "index", "which of equally good nodes: the first, or any", choices=TIES)}
SCORES: dict[str, Score] = {"kube": kube_score, "most_allocated": most_allocated_score}
RULES: dict[str, tuple[str, dict[str, Option]]] = {
    "kube": ("pods: kube-scheduler, LeastAllocated + BalancedAllocation, pending pods by priority", _TIE),
    "most_allocated": ("pods: kube-scheduler with MostAllocated, pending pods by priority", _TIE),
    "ffd": (
        "pods: first-fit decreasing, by priority and then size",
        {"repack": Option(bool, False, "pack all pods anew, as far as an order within the limit is found")},
    ),
    "preempt": ("pods: kube-scheduler that evicts less important pods of one node for a more important one", {}),
    "pod_random": ("pods: pending pods in random order, each on a random node that fits", {}),
}


def _method(name: str) -> MethodType:
    about, options = RULES[name]
    return MethodType("rule", name, "vm_rescheduling", about, options, lambda given: PodRule(name, given))


METHODS = tuple(_method(name) for name in RULES)
