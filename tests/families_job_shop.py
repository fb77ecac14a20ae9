"""The job shop's case for the shared tests, and small shops."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from family_case import FamilyCase, Options
from ganttlet.job_shop import JobShopInstance, Schedule
from ganttlet.job_shop.env import DEFAULTS
from ganttlet.job_shop.layout import CLOCK
from ganttlet.job_shop.presets import PRESETS
from reference.job_shop import ReferenceJobShop


class JobShopOracle:
    """ReferenceJobShop in a space padded with jobs that do not exist; the wait action is the space's last."""

    def __init__(self, options: Options, instance: JobShopInstance, n_actions: int) -> None:
        self.instance, self.n_actions, self.n_jobs = instance, n_actions, instance.n_jobs
        self.play = ReferenceJobShop(
            job_list(instance),
            instance.n_machines,
            options["timing"],
            options["objective"],
            options["reward"],
            instance.release.tolist(),
            None if instance.due is None else instance.due.tolist(),
            instance.weight.tolist(),
            options.get("illegal_penalty", 1.0),
        )
        self.waiting = self.play.n_actions > self.n_jobs

    def mask(self) -> list[int]:
        if self.play.done:
            return [1] * self.n_actions
        own = self.play.mask()
        padding = [0] * (self.n_actions - len(own))
        return own[: self.n_jobs] + padding + own[self.n_jobs :]

    def step(self, action: int) -> tuple[float, bool, bool]:
        if self.waiting and action == self.n_actions - 1:
            return self.play.step(self.n_jobs)
        return self.play.step(action if 0 <= action < self.n_jobs else -1)

    def objectives(self) -> Mapping[str, float]:
        return self.play.objectives()

    def solution(self) -> Schedule:
        width = self.instance.machine.shape[1]
        return Schedule([row + [-1] * (width - len(row)) for row in self.play.start], self.instance.digest)

    def extras(self) -> Mapping[str, float]:
        return {"clock": self.play.clock}


def job_list(instance: JobShopInstance) -> list[list[tuple[int, int]]]:
    """Return for each job its (machine, duration) pairs."""
    return [
        [(int(k), int(p)) for k, p in zip(machines, times, strict=True) if k >= 0]
        for machines, times in zip(instance.machine, instance.duration, strict=True)
    ]


def job_shop_options(options: Options) -> dict[str, Any]:
    """Fill in the preset and the defaults."""
    return {**DEFAULTS, **PRESETS.get(options.get("preset", ""), {}), **options}


def job_shop_return(
    options: Options, instance: JobShopInstance, first: Mapping[str, float], final: Mapping[str, float]
) -> float:
    """The maps that the environment documents: bound, terminal, idle and load_bound."""
    chosen = job_shop_options(options)
    if chosen["reward"] == "idle":
        longest = max(1, int(instance.duration.max()))
        return (2 * int(instance.work.sum()) - instance.n_machines * final["makespan"]) / longest
    if chosen["reward"] == "load_bound":
        # The first load bound is no objective that an info shows, so the slow simulator works it out.
        return JobShopOracle(chosen, instance, instance.n_jobs).play.load_bound() - final["makespan"]
    start = first[chosen["objective"]] if chosen["reward"] == "bound" else 0.0
    return start - final[chosen["objective"]]


def shop(jobs: list[list[tuple[int, int]]], machines: int, **facts: Any) -> dict[str, Any]:
    """Return a job-shop instance as plain data."""
    width = max(map(len, jobs))
    return JobShopInstance(
        "by-hand",
        [[k for k, _ in job] + [-1] * (width - len(job)) for job in jobs],
        [[p for _, p in job] + [0] * (width - len(job)) for job in jobs],
        machines,
        **facts,
    ).to_dict()


# Unequal lengths, a revisited machine, zero durations, releases, due dates, weights.
ODD = shop(
    [[(0, 3), (1, 0), (0, 2)], [(2, 4)], [(1, 5), (2, 1), (1, 2)], [(0, 1), (2, 6)]],
    3,
    release=[0, 2, 1, 0],
    due=[4, 6, 9, 5],
    weight=[1, 0, 3, 2],
)
EVEN = shop([[(0, 4), (1, 3), (2, 2)], [(1, 2), (2, 5), (0, 1)], [(2, 3), (0, 3), (1, 6)]], 3, due=[9, 8, 14])
DRAWN = MappingProxyType(
    {
        "name": "uniform",
        "jobs": [2, 5],
        "machines": 3,
        "ops": [1, 3],
        "low": 0,
        "high": 9,
        "release": [0, 8],
        "due_factor": 1.3,
        "weights": [0, 4],
    }
)
DRAW = dict(DRAWN)
TOY = {"name": "toy", "jobs": [3, 5], "machines": 3, "horizon": 12}

JOB_SHOP = FamilyCase(
    label="job_shop",
    family="job_shop",
    env_id="ganttlet/JobShop-v0",
    variants={
        "nondelay": {"generator": DRAW},
        "active": {"generator": DRAW, "timing": "active", "objective": "weighted_tardiness", "gamma": 0.9},
        "wait": {"generator": DRAW, "preset": "cp", "observation": "graph", "objective": "flow_time"},
        "wait_jssenv": {"generator": DRAW, "preset": "jssenv", "max_jobs": 6, "illegal_penalty": 2.5},
        "append": {
            "generator": DRAW,
            "preset": "slim",
            "observation": "graph",
            "static": "index",
            "objective": "total_tardiness",
            "max_ops": 4,
        },
        "insert": {"generator": TOY, "preset": "l2d", "window": 1},
        "idle": {"instance": ODD, "timing": "insert", "reward": "idle", "max_jobs": 5},
        "listed": {"instances": [ODD, EVEN], "max_jobs": 5, "observation": "graph", "timing": "wait"},
        "machines": {"generator": DRAW, "observation": "machines", "reward": "load_bound", "timing": "active"},
        "machines_wait": {
            "generator": DRAW,
            "observation": "machines",
            "timing": "wait",
            "objective": "weighted_tardiness",
            "window": 3,
            "max_jobs": 6,
            "max_machines": 4,
        },
        "pooled": {"generator": DRAW, "pool_size": 3, "pool_seed": 7, "objective": "total_tardiness"},
    },
    indexed="append",
    longest="listed",
    oracle=lambda options, instance, graph: JobShopOracle(job_shop_options(options), instance, graph.n_actions),
    extras=lambda batch, row: {"clock": int(batch._state.totals[row, CLOCK])},
    expected_return=job_shop_return,
    instances=(EVEN, ODD, shop([[(0, 2)], [(0, 3), (2, 1)]], 3, due=[2, 3], weight=[5, 1])),
    too_large=shop([[(0, 1)] * 9] * 9, 3, due=[1] * 9),
    telling="duration",
    seeded=(
        "nondelay",
        "active",
        "wait",
        "wait_jssenv",
        "append",
        "insert",
        "listed",
        "machines",
        "machines_wait",
        "pooled",
    ),
)
