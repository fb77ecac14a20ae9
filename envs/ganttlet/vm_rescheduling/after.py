"""What becomes of a plan once it is made, as curves show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_keys
from ganttlet.vm_rescheduling.churn import RATE, replay_under_churn
from ganttlet.vm_rescheduling.instance import NOWHERE, Cluster
from ganttlet.vm_rescheduling.solution import SLACK, Plan, values_of

CHURN = ("delay_seconds", "rate", "on_invalid", "seeds")


def churn(cluster: Cluster, plan: Plan, seconds: float, options: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the means over replays of a plan that is carried out after a delay; see :func:`replay_under_churn`.

    Args:
        cluster: of VMs.
        plan: of that cluster.
        seconds: what it took to make; not used, since the delay is given.
        options: ``delay_seconds``; ``rate`` (5 arrivals, and exits, per minute), ``on_invalid`` (abort), ``seeds`` (10,
            the number of replays).

    Returns:
        ``fr16``, ``n16``, ``moves`` (carried out), and ``unplanned``: the fragment rate without any plan.
    """
    check_keys("churn", options, CHURN)
    count = options.get("seeds", 10)
    if "delay_seconds" not in options:
        raise InputError("churn: option 'delay_seconds' is missing")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InputError(f"churn: seeds: expected an integer of at least 1, got {count!r}")
    ends = [
        replay_under_churn(
            cluster,
            plan,
            options["delay_seconds"],
            rate=options.get("rate", RATE),
            on_invalid=options.get("on_invalid", "abort"),
            seed=seed,
        )
        for seed in range(count)
    ]
    fields = {"fr16": "fr", "n16": "n16", "moves": "moves_done", "unplanned": "fr_unplanned"}
    return {name: float(np.mean([getattr(end, field) for end in ends])) for name, field in fields.items()}


def goal(cluster: Cluster, plan: Plan, seconds: float, options: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the moves after which a plan first reaches the cluster's goal, and could be stopped.

    Args:
        cluster: of VMs, with a goal.
        plan: a sound plan of that cluster.
        seconds: what it took to make; not used.
        options: none.

    Returns:
        ``moves``, the limit if the plan never reaches the goal; ``reached``: 1 if it does, else 0; ``fr16`` and ``n16``
        at the end of those moves.
    """
    check_keys("goal", options, ())
    if cluster.goal is None:
        raise InputError(f"goal: {cluster.name} has no goal")
    usage = cluster.usage()
    values, left = values_of(usage, 0), plan.moves.tolist()
    done = 0
    while values["fr16"] > cluster.goal + SLACK and done < len(left):
        usage.move(*left[done])
        done += 1
        values = values_of(usage, done)
    reached = values["fr16"] <= cluster.goal + SLACK
    return {
        "moves": float(done if reached else cluster.limit),
        "reached": float(reached),
        "fr16": values["fr16"],
        "n16": values["n16"],
    }


def pods(cluster: Cluster, plan: Plan, seconds: float, options: Mapping[str, Any]) -> Mapping[str, float]:
    """Return whether a plan betters the placement that pods had before it.

    Args:
        cluster: of pods, as the default scheduler left them.
        plan: a sound plan of that cluster.
        seconds: what it took to make; not used.
        options: none.

    Returns:
        ``better``: 1 if fewer pods pend at the end, by priority from the highest, else 0.
    """
    check_keys("pods", options, ())
    if not cluster.is_pods:
        raise InputError(f"pods: {cluster.name} has VMs; expected pods")
    host = cluster.host.copy()
    for pod, node, _ in plan.moves.tolist():
        host[pod] = node
    # The weight of a priority is more than that of all pods of lower ones.
    before, after = (int(cluster.weight[at == NOWHERE].sum()) for at in (cluster.host, host))
    return {"better": float(after < before)}


AFTER: Mapping[str, Callable[[Any, Any, float, Mapping[str, Any]], Mapping[str, float]]] = {
    "churn": churn,
    "goal": goal,
    "pods": pods,
}
