"""Comparing checkpoints: greedy play on fixed instances, judged by the family's validator and the evaluator's gap."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.rows import difference_of, gap_of
from ganttlet_agents.search.batch import bound
from ganttlet_agents.search.decode import Decoded, Scorer, decode_many
from ganttlet_agents.training.task import Task


@dataclass(frozen=True)
class Verdict:
    """How a policy did on the validation instances.

    Fields:
        score: what checkpoints are compared by, less is better: how much worse than the reference, relative to it, in
            the mean; without a reference, or where one is 0, the mean value (negated where more is better).
        gap: mean gap to the reference, None without one.
        value: mean objective value.
        groups: group -> mean gap, or mean value without a gap.
        seconds: how long it took.
    """

    score: float
    gap: float | None
    value: float
    groups: dict[str, float]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the plain-data form."""
        return {"gap": self.gap, "value": self.value, "groups": self.groups, "validation_seconds": self.seconds}


class Validator:
    """Holds the instances, the reference values and the batch that plays them.

    Args:
        task: the run's task; its configuration names the groups and the reference method.
        references: the reference values of an earlier part of the run, which a method in seconds may not repeat.
    """

    def __init__(self, task: Task, references: list[float] | None = None) -> None:
        self.task = task
        groups = task.validation_groups()
        self.labels = [name for name, instances in groups.items() for _ in instances]
        self.instances = [instance for instances in groups.values() for instance in instances]
        self.env = task.make(len(self.instances), "disabled", list(self.instances))
        self.references = references or self._references(task.config.validation.reference)

    def _references(self, text: str) -> list[float] | None:
        if text == "none":
            return None
        methods = parse_methods(text, self.task.family)
        if len(methods) != 1:
            raise InputError(f"validation: reference: expected one method, got {text!r}")
        values = []
        for instance in self.instances:
            solution = methods[0].solve(instance, objective=self.task.objective, seed=0).solution
            if solution is None:
                raise InputError(f"validation: reference {text!r} found no solution of {instance.name}")
            values.append(float(self.task.family.validate(instance, solution).values[self.task.objective]))
        return values

    def _decode(self, score: Scorer) -> list[Decoded]:
        return decode_many(self.env, score, self.instances, objective=self.task.objective)

    def check(self, score: Scorer) -> None:
        """Ask for the scores of the first decisions, so that an encoder that does not fit is known at once."""
        self.env.reset(seed=[0] * self.env.num_envs, options={"instance": self.instances})
        bound(score, self.env)(self.env.live_observation)

    def judge(self, score: Scorer) -> Verdict:
        """Play greedily and judge; an invalid solution raises AssertionError, for then the environment is wrong.

        Raises:
            InputError: if an episode is truncated before its end.
        """
        begun = time.perf_counter()
        task = self.task
        sense = task.family.objectives[task.objective].sense
        values: list[float] = []
        for instance, decoded in zip(self.instances, self._decode(score), strict=True):
            if np.isnan(decoded.value):
                raise InputError(f"validation: {instance.name} was not played to its end; raise max_episode_steps")
            verdict = task.family.validate(instance, decoded.solution)
            assert verdict.feasible, f"{instance.name}: {verdict.violations[0].message}"
            values.append(float(verdict.values[task.objective]))
        shown: list[float] = values
        gap = None
        if self.references is not None:
            gaps = [gap_of(*pair, sense) for pair in zip(values, self.references, strict=True)]
            if None not in gaps:
                shown = [float(one) for one in gaps if one is not None]
                gap = float(np.mean(shown))
        names = dict.fromkeys(self.labels)
        groups = {
            name: float(np.mean([one for one, label in zip(shown, self.labels, strict=True) if label == name]))
            for name in names
        }
        value = float(np.mean(values))
        compared = value if task.minimise else -value
        if self.references is not None and all(self.references):
            # A gap of values of the other sign is not told, but is worse than any other: scores must stay comparable.
            pairs = zip(values, self.references, strict=True)
            compared = float(np.mean([difference_of(*pair, sense) / abs(pair[1]) for pair in pairs]))
        return Verdict(compared, gap, value, groups, time.perf_counter() - begun)
