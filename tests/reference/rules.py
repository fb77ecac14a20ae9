"""Dispatching rules in plain Python over the reference simulator: the twin of ganttlet_agents.rules.job_shop."""

from __future__ import annotations

import math

from reference.job_shop import ReferenceJobShop

FIRST = ("spt", "lpt", "mwkr", "lwkr", "mor", "lor", "fifo", "fdd", "fdd_mwkr", "edd", "ltwk", "spt_twkr", "mor_mwkr")
DUE = ("cr", "mdd", "wspt", "wedd", "atc", "covert")


def key(name: str, shop: ReferenceJobShop, j: int, legal: list[int]) -> tuple[float, ...]:
    """The value by which ``name`` ranks job ``j``; least first."""
    at = sum(start >= 0 for start in shop.start[j])
    times = [p for _, p in shop.jobs[j]]
    p, work, left, total, done = times[at], sum(times[at:]), len(times) - at, sum(times), sum(times[: at + 1])
    ready = shop.start[j][at - 1] + times[at - 1] if at else shop.release[j]
    due = total if shop.due is None else shop.due[j]
    weight, slack = shop.weight[j], max(0, due - shop.clock - work)
    ratio = weight / max(1, p)
    if name == "atc":
        waiting = [shop.jobs[x][sum(start >= 0 for start in shop.start[x])][1] for x in legal]
        mean = max(1.0, sum(waiting) / len(waiting))
        return (-(math.log(max(1e-9, ratio)) - slack / (2.0 * mean)),)
    if name == "covert":
        urgency = 1.0 if slack == 0 else max(0.0, 1.0 - slack / (2.0 * work)) if work else 0.0
        return (-ratio * urgency,)
    return {
        "spt": (p,),
        "lpt": (-p,),
        "mwkr": (-work,),
        "lwkr": (work,),
        "mor": (-left,),
        "lor": (left,),
        "fifo": (ready,),
        "fdd": (done,),
        "fdd_mwkr": (done / work if work else 0.0,),
        "edd": (due,),
        "ltwk": (-total,),
        "spt_twkr": (p / work if work else 0.0,),
        "mor_mwkr": (-left, -work),
        "cr": ((due - shop.clock) / work if work else -math.inf,),
        "mdd": (max(due, shop.clock + work),),
        "wspt": (-ratio,),
        "wedd": (due / weight if weight else math.inf,),
    }[name]


def play(name: str, shop: ReferenceJobShop) -> list[list[int]]:
    """Play ``shop`` to its end by a rule, ties to the lowest index, and return the start times."""
    while not shop.done:
        legal = [j for j in range(len(shop.jobs)) if shop.mask()[j]]
        shop.step(min(legal, key=lambda j: (key(name, shop, j, legal), j)))
    return shop.start
