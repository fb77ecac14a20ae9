"""The slow simulator of task graphs on a system on chip: the oracle of the fast kernel, step by step.

What happens in a run stands in reference.soc_system; here are actions, objectives and rewards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.soc_dag.solution import Run
from reference.soc_system import Job, System

WAIT = ("wait",)


class ReferenceSoC(System):
    """One episode; the constructor is the reset.

    Args:
        instance: anything with the fields of a Workload.
        action, wait, window, reward, weight, objective, stale_estimates, illegal_penalty, gamma: as the environment.
        ordered: as System.

    Attributes:
        discount: of the last step.
        settled: whether the run is over and paid for; if no job ever comes, it is over before its first step.
    """

    def __init__(
        self,
        instance: Any,
        action: str = "pe",
        wait: bool = False,
        window: int = 16,
        reward: str = "jobs",
        weight: float = 0.5,
        objective: str = "latency",
        stale_estimates: bool = False,
        illegal_penalty: float = 1.0,
        gamma: float = 1.0,
        binding: str = "early",
        ordered: bool = False,
    ) -> None:
        super().__init__(instance, stale_estimates, ordered)
        self.action, self.wait, self.window = action, wait, window
        self.reward, self.weight, self.objective = reward, weight, objective
        self.illegal_penalty, self.gamma, self.discount = illegal_penalty, gamma, 1.0
        self.binding = binding
        self._find_choice()
        # The first reward counts from time 0, so that the return is the documented one.
        self.paid, self.settled = dict.fromkeys(self._accounts(), 0.0), False

    # Objectives.

    @property
    def counted(self) -> list[Job]:
        """Jobs that count and are done."""
        return [job for job in self.jobs if job.end >= 0 and self.counts(job)]

    @property
    def late(self) -> list[Job]:
        """Those of them that missed their due date."""
        dues = [(job, self.due(job)) for job in self.counted]
        return [job for job, due in dues if due is not None and job.end > due]

    def energy(self) -> float:
        """Energy so far; clusters and numbers of busy PEs are added up in the kernel's order, to the last bit."""
        total = 0.0
        for cluster, watts in enumerate(self.watts):
            for watt, ticks in zip(watts, self.spent[cluster], strict=True):
                total += watt * ticks
            total += watts[self.busy(cluster)] * (self.now - self.since[cluster])
        return total

    def objectives(self) -> dict[str, float]:
        """The objectives so far."""
        ends = [job.end for job in self.jobs if job.end >= 0]
        n = max(1, len(self.counted))
        latency = sum(job.end - job.clock for job in self.counted) / n
        energy = self.energy() / max(1, len(ends))
        return {
            "latency": latency,
            "makespan": float(max(ends, default=0)),
            "energy": energy,
            "edp": energy * latency,
            "missed": len(self.late) / n,
        }

    def solution(self) -> Run:
        """What has happened so far."""
        width = self.instance.exec_time.shape[1]
        rows = {
            name: [[getattr(task, name) for task in job.tasks] + [-1] * (width - len(job.tasks)) for job in self.jobs]
            for name in ("pe", "start", "finish")
        }
        return Run(
            [job.app for job in self.jobs],
            [job.arrival for job in self.jobs],
            [job.inject for job in self.jobs],
            **{name: np.array(value, int).reshape(-1, width) for name, value in rows.items()},
            end=self.now,
            instance_digest=self.instance.digest,
        )

    # Decisions.

    def choices(self) -> list[tuple[Any, ...]]:
        """What every action means: (task, PE), WAIT, or () for an illegal one."""
        ready, pes = self.ready, range(len(self.pes))
        shown = [*ready[: self.window], *[None] * (self.window - len(ready))]
        if self.action == "pe":
            found = [(ready[0], p) if ready and p in self.times_of(ready[0]) else () for p in pes]
        elif self.action == "task":
            found = [(task, self.best(task)) if task else () for task in shown]
        else:
            found = [(task, p) if task and p in self.times_of(task) else () for task in shown for p in pes]
        if self.binding == "late":
            found = [pair if pair and self._takes(pair[1]) else () for pair in found]
        return [*found, WAIT if self.may_wait() else ()] if self.wait else found

    def _takes(self, p: int) -> bool:
        """Whether PE ``p`` is idle with an empty queue."""
        pe = self.pes[p]
        return pe.task is None and pe.up <= self.now and not pe.queue

    def _find_choice(self) -> None:
        """Under late binding, wait as long as there is nothing else to do."""
        if self.binding == "late":
            while not self.over and not any(choice and choice != WAIT for choice in self.choices()):
                self.go_on(hold=True)

    def may_wait(self) -> bool:
        """Whether something that ends a wait is sure to come."""
        tasks = [task for job in self.present for task in job.tasks]
        moving = bool(self.unnoticed) or any(task.state in ("running", "queued", "later") for task in tasks)
        enters = self.next is not None and len(self.present) < self.instance.capacity
        return moving or enters or bool(self.boundaries)

    def mask(self) -> list[int]:
        """1 for each legal action, all ones when the run is over."""
        return [1 if self.over or choice else 0 for choice in self.choices()]

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Play an action; return the reward, whether the run is over, and whether the action was illegal."""
        self.discount = 1.0
        if self.settled:
            return 0.0, True, False
        choices = self.choices()
        if not 0 <= action < len(choices) or not (choices[action] or self.over):
            return -self.illegal_penalty, False, True
        before = self.now
        if not self.over and choices[action] == WAIT:
            self.go_on(hold=True)
        elif not self.over:
            self.assign(*choices[action])
            if not self.ready:
                self.go_on()
        self._find_choice()
        self.discount = self.gamma ** ((self.now - before) / self.c)
        return self._pay(), self.over, False

    # Rewards.

    def _accounts(self) -> dict[str, float]:
        """What rewards are increments of."""
        return {
            "integral": self.integral,
            "latency": sum(job.end - job.clock for job in self.counted),
            "completed": sum(job.end >= 0 for job in self.jobs),
            "late": len(self.late),
            "energy": self.energy(),
            "time": self.now,
        }

    def _pay(self) -> float:
        """The reward of what has happened since it was asked for last."""
        accounts = self._accounts()
        more = {name: accounts[name] - self.paid[name] for name in accounts}
        self.paid, self.settled = accounts, self.over
        jobs, energy = -more["integral"] / self.c, -more["energy"] / (self.c * self.most_power)
        units = {"latency": self.c, "makespan": self.c, "energy": self.c * self.most_power, "missed": 1.0}
        units["edp"] = self.c**2 * self.most_power
        return {
            "jobs": jobs,
            "latency": -more["latency"] / self.c,
            "completion": -0.5 * more["time"] + 50.0 * more["completed"],
            "energy": energy,
            "weighted": (1.0 - self.weight) * jobs + self.weight * energy,
            "deadline": -float(more["late"]),
            "terminal": -self.objectives()[self.objective] / units[self.objective] if self.over else 0.0,
        }[self.reward]
