"""What a SoC environment shows: the GraphSpec and its features."""

from __future__ import annotations

from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment
from ganttlet.soc_dag.layout import Sizes

ACTIONS = ("pe", "task", "joint")
OBSERVATIONS = ("graph", "ready")
FAR = 1000.0


def _time(name: str, about: str) -> Feature:
    return Feature(name, -FAR, FAR, f"{about} [mean critical paths]")


TASK = (
    Feature("outstanding", 0, 1, "waits for predecessors"),
    Feature("ready", 0, 1, "waits for a decision"),
    Feature("queued", 0, 1, "assigned, not running"),
    Feature("running", 0, 1, "running"),
    Feature("preds_left", 0, FAR, "predecessors that have not ended"),
    _time("mean", "mean of w over the PEs that support it"),
    _time("least", "least w"),
    _time("spread", "standard deviation of w over the PEs that support it"),
    _time("rank_up", "upward rank, with mean execution and transfer times"),
    _time("rank_down", "downward rank, likewise"),
    _time("tail", "upward rank at least execution times, without transfers"),
    Feature("succs", 0, FAR, "successors"),
    Feature("support", 0, 1, "share of the PEs that support it"),
)
JOB = (
    _time("age", "now - arrival (entry, unless full='queue')"),
    Feature("left", 0, 1, "share of its tasks that have not ended"),
    _time("work", "sum of the least w of tasks that have not ended"),
    _time("critical", "critical path of its application"),
    Feature("ready", 0, FAR, "ready tasks"),
    Feature("assigned", 0, FAR, "queued and running tasks"),
    _time("slack", "due date - now - least work on the longest path left among ready tasks; 0 without due date"),
    Feature("counts", 0, 1, "whether it counts"),
)
PE = (
    Feature("busy", 0, 1, "runs a task"),
    _time("running", "expected end of the running task - now"),
    Feature("queue", 0, FAR, "queued tasks"),
    _time("free", "A(p) - now"),
    Feature("used", 0, 1, "share of the time so far that it spent on tasks that have ended"),
    Feature("down", 0, 1, "in an outage"),
    Feature("speed", 0, 1, "mean of least w / w over the tasks it supports, by share of their application"),
    Feature("support", 0, 1, "share of the tasks that it supports, likewise"),
    Feature("power", 0, 1, "added power of one busy PE of its cluster"),
    Feature("idle", 0, FAR, "idle PEs in its cluster"),
)
PE_FOR_TASK = (
    Feature("supports", 0, 1, "supports the first ready task"),
    _time("w", "its execution time there"),
    _time("data", "D - now, at least 0"),
    _time("eft", "EFT - now"),
    _time("behind", "EFT - least EFT of the task"),
    Feature("starts", 0, 1, "it would start at once"),
)
READY = (
    _time("waiting", "now - ready time"),
    _time("age", "the job's age"),
    _time("least", "least w"),
    _time("mean", "mean of w"),
    _time("rank_up", "upward rank"),
    _time("tail", "upward rank at least execution times"),
    _time("work", "the job's work left"),
    _time("eft", "least EFT - now"),
    Feature("starts", 0, 1, "on the PE of least EFT it would start at once"),
    _time("slack", "due date - now - tail; 0 without due date"),
)
READY_PE = (
    Feature("supports", 0, 1, "the PE supports the task"),
    _time("w", "execution time"),
    _time("data", "D - now, at least 0"),
    _time("eft", "EFT - now"),
    _time("behind", "EFT - least EFT of the task"),
    Feature("starts", 0, 1, "it would start at once"),
    Feature("energy", 0, FAR, "w times the added power of one busy PE"),
    _time("planned", "EFT - now in a plan of SJF: by the jobs' work left, each shown task to its PE of least EFT"),
    Feature("plan", 0, 1, "1 / place in that plan, from 1 on, if it gives the task to the PE"),
)
CONTEXT = (
    Feature("jobs", 0, FAR, "jobs in the system"),
    Feature("full", 0, 1, "share of the capacity in use"),
    Feature("ready", 0, FAR, "ready tasks"),
    Feature("hidden", 0, FAR, "ready tasks beyond the window"),
    Feature("before", 0, FAR, "jobs that wait to enter"),
    _time("work", "sum of the work left of the jobs in the system"),
    Feature("busy", 0, 1, "share of the PEs that run a task"),
    Feature("rate", 0, FAR, "accepted jobs per mean critical path, so far"),
)


def graph_spec(sizes: Sizes, *, action: str, wait: bool, window: int, kind: str) -> GraphSpec:
    """Return what an environment of these options shows."""
    shows_tasks, pairs = kind == "graph", action != "pe"
    task = (NodeType("task", sizes.slots * sizes.tasks, TASK),) if shows_tasks else ()
    ready = (NodeType("ready", window, READY),) if pairs else ()
    pe = PE if pairs else (*PE, *PE_FOR_TASK)
    edges: list[EdgeType] = []
    if shows_tasks:
        edges += [
            EdgeType("precedes", "task", "task", "list", sizes.slots * sizes.edges),
            EdgeType("task_job", "task", "job", "pointer"),
            EdgeType("task_pe", "task", "pe", "pointer"),
        ]
        edges += [EdgeType("ready_task", "ready", "task", "pointer")] if pairs else []
    edges += [EdgeType("ready_job", "ready", "job", "pointer")] if pairs else []
    edges += [EdgeType("ready_pe", "ready", "pe", "dense", features=READY_PE)] if action == "joint" else []
    over = {"pe": "pe", "task": "ready", "joint": "ready_pe"}[action]
    focus = (*((("task", "task"),) if shows_tasks else ()), ("job", "job")) if not pairs else ()
    return GraphSpec(
        nodes=(*task, NodeType("job", sizes.slots, JOB), NodeType("pe", sizes.pes, pe), *ready),
        edges=tuple(edges),
        context=CONTEXT,
        focus=focus,
        segments=(Segment(over), *((Segment("context"),) if wait else ())),
    )
