"""Ranks of the tasks of an application in plain Python, in ticks."""

from __future__ import annotations

import math

from reference.soc_system import System

Ranks = dict[str, float]


def mean_transfer(play: System, volume: int) -> float:
    """Mean transfer time over ordered pairs of different PEs."""
    pes = range(len(play.pes))
    times = [volume // play.bandwidth[p][q] for p in pes for q in pes if p != q]
    return sum(times) / len(times) if times else 0.0


def ranks_of(play: System, app: int) -> list[Ranks]:
    """Mean, least and spread of every task's execution times over the PEs that support it, and its ranks.

    ``rank_up``: mean time plus the greatest mean transfer time and rank among its successors; ``level``: likewise
    without transfers; ``tail``: likewise at least times. ``rank_down``: the longest path to it, without its own time.
    """
    n, edges = play.n_tasks[app], play.edges[app]
    found: list[Ranks] = []
    for number in range(n):
        times = list(play.times(app, number).values())
        mean = sum(times) / len(times)
        spread = math.sqrt(sum((time - mean) ** 2 for time in times) / len(times))
        found.append({"mean": mean, "least": min(times), "spread": spread})
    moves = {(u, v): mean_transfer(play, volume) for u, v, volume in edges}
    todo = list(range(n))
    while todo:
        last = next(u for u in todo if not any(v in todo for source, v, _ in edges if source == u))
        todo.remove(last)
        after = [v for u, v, _ in edges if u == last]
        one = found[last]
        one["rank_up"] = one["mean"] + max((moves[last, v] + found[v]["rank_up"] for v in after), default=0.0)
        one["level"] = one["mean"] + max((found[v]["level"] for v in after), default=0.0)
        one["tail"] = one["least"] + max((found[v]["tail"] for v in after), default=0)
    todo = list(range(n))
    while todo:
        first = next(v for v in todo if not any(u in todo for u, target, _ in edges if target == v))
        todo.remove(first)
        before = [u for u, v, _ in edges if v == first]
        paths = [found[u]["rank_down"] + found[u]["mean"] + moves[u, first] for u in before]
        found[first]["rank_down"] = max(paths, default=0.0)
    return found
