"""The case of SoC task graphs for the shared tests, and small workloads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from family_case import FamilyCase, Options
from ganttlet.core.graph import GraphSpec
from ganttlet.soc_dag import layout as at
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.presets import PRESETS
from ganttlet.soc_dag.scenario import Scenario
from ganttlet.soc_dag.solution import Run
from reference.soc_dag import ReferenceSoC

TAKEN = (
    "action",
    "wait",
    "window",
    "reward",
    "weight",
    "objective",
    "stale_estimates",
    "illegal_penalty",
    "gamma",
    "binding",
)
COUNTS = {
    "now": at.NOW,
    "accepted": at.ACCEPTED,
    "injected": at.INJECTED,
    "in_system": at.IN_SYSTEM,
    "counted": at.COUNTED,
    "latency": at.LATENCY,
    "missed": at.MISSED,
    "completed": at.COMPLETED,
    "lost": at.LOST,
    "blocked": at.BLOCKED,
    "integral": at.INTEGRAL,
    "ready": at.READY,
}


class SoCOracle:
    """ReferenceSoC in a space padded with PEs that do not exist."""

    def __init__(self, options: Options, instance: Workload, graph: GraphSpec) -> None:
        given = soc_options(options)
        self.play = ReferenceSoC(instance, **{key: given[key] for key in TAKEN if key in given})
        self.n_pes = graph.node("pe").count

    def mask(self) -> list[int]:
        play, have = self.play, len(self.play.pes)
        if play.over:
            return [1] * len(self._padded(play.mask(), have))
        return self._padded(play.mask(), have)

    def _padded(self, mask: list[int], have: int) -> list[int]:
        if self.play.action == "task":
            return mask
        end = len(mask) - self.play.wait
        rows = [mask[first : first + have] + [0] * (self.n_pes - have) for first in range(0, end, have)]
        return [legal for row in rows for legal in row] + mask[end:]

    def step(self, action: int) -> tuple[float, bool, bool]:
        play, have = self.play, len(self.play.pes)
        rows = {"pe": 1, "task": play.window, "joint": play.window}[play.action]
        if play.action == "task":
            return play.step(action)
        if play.over and 0 <= action < len(self.mask()):
            return play.step(0)
        if play.wait and action == rows * self.n_pes:
            return play.step(rows * have)
        row, p = divmod(action, self.n_pes)
        return play.step(row * have + p if 0 <= row < rows and p < have else -1)

    def objectives(self) -> Mapping[str, float]:
        return self.play.objectives()

    def solution(self) -> Run:
        return self.play.solution()

    def extras(self) -> Mapping[str, Any]:
        play = self.play
        counts = {
            "now": play.now,
            "accepted": len(play.jobs),
            "injected": sum(job.inject >= 0 for job in play.jobs),
            "in_system": len(play.present),
            "counted": len(play.counted),
            "latency": sum(job.end - job.clock for job in play.counted),
            "missed": len(play.late),
            "completed": sum(job.end >= 0 for job in play.jobs),
            "lost": play.lost,
            "blocked": play.blocked,
            "integral": play.integral,
            "ready": len(play.ready),
        }
        return {**counts, "free": [play.free_at(p) for p in range(len(play.pes))]}


def soc_extras(batch: Any, row: int) -> Mapping[str, Any]:
    """What the oracle's extras are compared with."""
    state, n_pes = batch._state, batch.instance(row).n_pes
    totals = state.totals[row]
    return {**{name: int(totals[column]) for name, column in COUNTS.items()}, "free": state.free[row, :n_pes].tolist()}


def soc_options(options: Options) -> dict[str, Any]:
    """Fill in the preset."""
    return {**PRESETS.get(options.get("preset", ""), {}), **options}


def soc_return(
    options: Options, instance: Workload, first: Mapping[str, float], final: Mapping[str, float]
) -> float | None:
    """The maps that the environment documents, where the objectives tell them: how many jobs counted, they do not."""
    given = soc_options(options)
    reward, name = given.get("reward", "jobs"), given.get("objective", "latency")
    c = max(1.0, float(sum(instance.probability * instance.critical_path)))
    power = float(instance.power.max(axis=1).sum()) or 1.0
    if reward == "terminal":
        units = {"latency": c, "makespan": c, "energy": c * power, "edp": c * c * power, "missed": 1.0}
        return -final[name] / units[name]
    lossless = instance.full != "redraw" or instance.arrivals != "trace"
    if instance.end == "drain" and instance.length is None and instance.warmup == 0 and lossless:
        n = min(instance.jobs, len(instance.trace) or instance.jobs)
        if reward in ("jobs", "latency"):
            return -final["latency"] * n / c
        if reward == "deadline":
            return -final["missed"] * n
    return None


def chip(
    times: Mapping[str, Sequence[float | None]],
    counts: Sequence[int],
    apps: Mapping[str, tuple[Sequence[str], Sequence[tuple[int, int, int]]]],
    *,
    probability: Sequence[float] | None = None,
    std: Mapping[str, float] | None = None,
    bandwidth: Sequence[Sequence[int]] = ((2, 1, 3), (1, 4, 2), (3, 2, 2)),
    **scenario: Any,
) -> dict[str, Any]:
    """Return a workload as plain data.

    Args:
        times: kernel -> its time on each cluster, None where it cannot run.
        counts: PEs per cluster.
        apps: name -> (kernels, edges).
        probability, std: as Workload.build.
        bandwidth: between the clusters.
        scenario: fields of Scenario.
    """
    n = len(counts)
    clusters = tuple(
        Cluster(
            f"C{number}", count, power={1000: [1.0 + 0.5 * number + 0.75 * busy for busy in range(count)]}, leak_w=0.25
        )
        for number, count in enumerate(counts)
    )
    platform = Platform(
        "chip",
        clusters,
        [list(row[:n]) for row in bandwidth[:n]],
        9,
        {name: {kernel: times[kernel][:n] for kernel in kernels} for name, (kernels, _) in apps.items()},
        bandwidth_to_memory=[2, 3, 1][:n],
    )
    graphs = [Application(name, tuple(kernels), tuple(edges)) for name, (kernels, edges) in apps.items()]
    facts = {"length": None, **scenario}
    made = Workload.build(platform, graphs, Scenario(**facts), probability=probability, std=std)
    data: dict[str, Any] = json.loads(json.dumps(made.to_dict()))
    return data


# Kernels on big cores, small cores and an accelerator; some take one tick or none.
KERNELS: dict[str, list[float | None]] = {
    "a": [3, 5, 2],
    "b": [4, 4, None],
    "c": [None, 7, 1],
    "d": [0, 1, None],
    "e": [2, 1, 1],
}
DIAMOND = (["a", "b", "c", "e"], [(0, 1, 6), (0, 2, 3), (1, 3, 4), (2, 3, 9)])
CHAIN = (["d", "e", "a"], [(0, 1, 2), (1, 2, 8)])
PAIR = (["b", "d"], [])
LONE = (["a"], [])
TWO = {"diamond": DIAMOND, "chain": CHAIN}

NOISY = chip(
    KERNELS,
    [2, 1, 1],
    {**TWO, "pair": PAIR},
    probability=[2, 1, 1],
    std={"a": 0.4, "b": 0.4, "c": 0.4},
    scale=4.0,
    capacity=2,
    jobs=4,
    deadline_factor=1.5,
    noise="gaussian",
    seed=3,
)
REDRAWN = chip(
    KERNELS,
    [1, 1, 1],
    TWO,
    std={"a": 0.5, "c": 1.5},
    scale=3.0,
    capacity=2,
    full="redraw",
    prefill=True,
    length=40,
    warmup=4,
    cooldown=6,
    jobs=9,
    noise="lognormal",
    communication="shared_memory",
    deadline_factor=1.0,
    seed=5,
)
QUEUED = chip(
    KERNELS,
    [2, 2],
    {"chain": CHAIN, "pair": PAIR},
    probability=[1, 0],
    arrivals="periodic",
    scale=2.5,
    capacity=1,
    full="queue",
    jobs=3,
    outages=((0, 3, 9), (1, 9, 14), (3, 0, 4), (3, 6, 8)),
    tick_compat=True,
    deadline_factor=2.0,
)
TRACED = chip(
    KERNELS,
    [1, 1, 1],
    {**TWO, "pair": PAIR},
    arrivals="trace",
    trace=((0, 2), (0, 0), (3, 1), (17, 1)),
    capacity=2,
    outages=((0, 2, 6), (2, 5, 12)),
    std={"e": 0.3},
    seed=8,
)
CUT = chip(
    KERNELS,
    [2, 1],
    {"chain": CHAIN, "pair": PAIR},
    scale=5.0,
    capacity=3,
    full="queue",
    end="cut",
    length=18,
    warmup=4,
    jobs=20,
    deadline_factor=1.2,
    communication="shared_memory",
    tick_compat=True,
    seed=2,
)
STOPPED = chip(
    KERNELS,
    [1, 2, 1],
    TWO,
    scale=3.0,
    capacity=3,
    prefill=True,
    end="cut",
    stop_after=3,
    jobs=9,
    seed=4,
)
TINY = chip({"a": [2, 3]}, [1, 1], {"lone": LONE}, arrivals="trace", trace=((0, 0), (1, 0)), capacity=1, full="redraw")

TOY = {
    "name": "toy",
    "tasks": [2, 4],
    "pes": [2, 4],
    "apps": [1, 2],
    "time": [0, 6],
    "jobs": [2, 4],
    "capacity": [1, 3],
    "full": ["block", "redraw", "queue"],
    "prefill": [False, True],
    "std": [0.0, 0.6],
    "noise": ["gaussian", "lognormal"],
    "communication": ["pe_to_pe", "shared_memory"],
    "tick_compat": [False, True],
    "deadline_factor": [0.8, 2.0],
    "outages": [0, 2],
}
ROOM = {
    "max_apps": 3,
    "max_tasks": 4,
    "max_edges": 6,
    "max_pes": 4,
    "max_clusters": 4,
    "max_capacity": 3,
    "max_jobs": 20,
    "max_trace": 5,
    "max_outages": 8,
}


def stored_times(storage: Any, slot: int) -> Any:
    """The execution times in a slot, without what pads them."""
    store = storage.arrays
    size = store.size[slot]
    apps = int(size[at.APPS])
    tasks = int(store.apps[slot, :apps, at.N_TASKS].max())
    return store.exec_time[slot, :apps, :tasks, : int(size[at.PES])]


SOC_DAG = FamilyCase(
    label="soc_dag",
    family="soc_dag",
    env_id="ganttlet/SoCDAG-v0",
    variants={
        "pe": {"generator": TOY, **ROOM},
        "task": {"generator": TOY, **ROOM, "action": "task", "reward": "latency", "window": 3, "gamma": 0.9},
        "joint": {"generator": TOY, **ROOM, "action": "joint", "wait": True, "window": 4, "illegal_penalty": 2.5},
        "pe_wait": {
            "generator": TOY,
            **ROOM,
            "wait": True,
            "observation": "ready",
            "reward": "weighted",
            "weight": 0.3,
        },
        "task_wait": {"instance": QUEUED, **ROOM, "action": "task", "wait": True, "window": 5, "reward": "deadline"},
        "stale": {
            "generator": TOY,
            **ROOM,
            "action": "joint",
            "stale_estimates": True,
            "window": 2,
            "reward": "energy",
        },
        "energy": {"instance": TRACED, **ROOM, "wait": True, "reward": "energy"},
        "completion": {"instance": REDRAWN, **ROOM, "reward": "completion", "gamma": 0.95},
        "missed": {"instance": NOISY, **ROOM, "reward": "terminal", "objective": "missed", "observation": "ready"},
        "edp": {"generator": TOY, **ROOM, "action": "task", "reward": "terminal", "objective": "edp", "window": 1},
        "makespan": {"generator": {**TOY, "arrivals": "trace", "prefill": False}, **ROOM, "reward": "terminal"}
        | {"objective": "makespan", "action": "joint", "window": 3, "observation": "ready"},
        "late": {"generator": TOY, **ROOM, "preset": "late", "window": 3, "gamma": 0.9},
        "late_task": {"instance": QUEUED, **ROOM, "action": "task", "wait": True, "binding": "late", "window": 2},
        "cut": {"instance": CUT, **ROOM, "action": "joint", "wait": True, "window": 3},
        "stopped": {"instance": STOPPED, **ROOM, "reward": "terminal", "objective": "energy", "stale_estimates": True},
        "listed": {"instances": [NOISY, QUEUED, TRACED, CUT], "action": "task", "window": 6, "stale_estimates": True},
        "pooled": {"generator": TOY, **ROOM, "pool_size": 3, "pool_seed": 7, "action": "task", "reward": "terminal"},
    },
    indexed=None,
    longest="listed",
    oracle=SoCOracle,
    extras=soc_extras,
    expected_return=soc_return,
    instances=(NOISY, REDRAWN, QUEUED, TINY),
    too_large=chip({"a": [1]}, [9], {"lone": LONE}, scale=1.0, jobs=1, bandwidth=[[1]]),
    telling="exec_time",
    stored_telling=stored_times,
    seeded=("pe", "late", "task", "joint", "pe_wait", "stale", "edp", "makespan", "listed", "pooled"),
    partial=False,
)
