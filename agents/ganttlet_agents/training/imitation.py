"""Imitation of a method's solutions or of a rule, and self-labelling, where the teacher is one's own best sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ganttlet.core.errors import InputError
from ganttlet.core.record import Instance, Solution
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.statics import statics_of
from ganttlet_agents.search.batch import final_values, objective_of, ranking
from ganttlet_agents.training.config import ImitationConfig, Schedule, SelfLabellingConfig
from ganttlet_agents.training.draws import sample_actions
from ganttlet_agents.training.fit import Decisions, Fitter, record
from ganttlet_agents.training.learner import (
    State,
    network_state,
    optimizer_state,
    random_state,
    set_network_state,
    set_optimizer_state,
    set_random_state,
)
from ganttlet_agents.training.task import Task

Array = np.ndarray[Any, Any]
Replay = Callable[[Any, Sequence[Any]], Array]
Advise = Callable[[Any], Array]
BETA = Schedule(1.0, 0.0)


def find_teacher(task: Task, config: ImitationConfig) -> tuple[BoundMethod, Replay | None, Advise | None]:
    """Return the teacher, and one of the ways to learn from it: the family's replay, or the teacher's own advice.

    A rule that the family can ask in any state gives advice: batch -> actions (B,). Other methods give solutions, which
    are replayed.

    Raises:
        InputError: if there is no such method, or neither way.
    """
    try:
        teachers = parse_methods(config.teacher, task.family)
    except InputError as error:
        raise InputError(f"teacher: {error}") from None
    if len(teachers) != 1:
        raise InputError(f"teacher: expected one method, got {config.teacher!r}")
    teacher, family, refused = teachers[0], task.family, ""
    if family.advise is not None and teacher.type.kind == "rule":
        advise, rule = family.advise, teacher.label.partition(":")[2]
        env = task.make(1, "disabled")
        env.reset(seed=task.seed_of(0))
        try:
            advise(env, rule)
            return teacher, None, lambda batch: advise(batch, rule)
        except InputError as error:
            refused = f" ({error})"
    if family.replay is None:
        raise InputError(f"imitation: family {family.name} cannot turn solutions into decisions{refused}")
    if config.beta is not None:
        raise InputError(f"beta: {teacher.label} is replayed, and plays every decision itself{refused}; leave it out")
    return teacher, family.replay, None


class _Labeller(ABC):
    """What imitation and self-labelling share: rounds of labelled decisions, and their state."""

    name = ""

    def __init__(self, task: Task, network: GraphPolicy, compiled: Any, config: Any, scale: float) -> None:
        self.task, self.network, self.compiled, self.config, self.scale = task, network, compiled, config, scale
        self.rng = np.random.default_rng([task.config.seed, 7])
        self.fitter = Fitter(network, compiled, config.fit, network.moving.tokens[0], self.rng)
        self.timesteps = 0
        self.episodes = 0
        self.round = 0
        self.spent = 0.0

    @abstractmethod
    def _label(self, instances: Sequence[Instance]) -> tuple[Decisions, int, dict[str, float]]:
        """Return decisions to imitate, how many decisions of the budget they cost, and what is logged."""

    def iterate(self, spent: float) -> dict[str, float]:
        """Label fresh instances and fit to them."""
        instances = self.task.training_instances(self.round, self.config.instances)
        self.spent = spent
        if self.fitter.statics is not None:
            self.fitter.statics.keep([])
        data, cost, told = self._label(instances)
        self.round += 1
        self.timesteps += cost
        self.episodes += len(instances)
        return {**told, **self.fitter.fit(data, spent)}

    def _seeds(self) -> list[int]:
        """Return the seeds under which this round's instances are played, by whomever."""
        return self.task.round_seeds(self.round, self.config.instances)

    def _sample(self, obs: dict[str, Array], temperature: float = 1.0) -> Array:
        """Return actions (rows,) that the network draws."""
        device, statics = next(self.network.parameters()).device, self.fitter.statics
        with torch.inference_mode():
            tensors = {key: torch.from_numpy(part).to(device) for key, part in obs.items()}
            logits, _ = self.network(tensors, *(() if statics is None else (statics.of(tensors),)))
            chosen: Array = sample_actions(logits / temperature).cpu().numpy()
        return chosen

    def state(self) -> State:
        """Return the state between two rounds."""
        return State(
            {**network_state(self.network), **optimizer_state(self.fitter.optimizer), **random_state()},
            {},
            {
                "timesteps": self.timesteps,
                "episodes": self.episodes,
                "round": self.round,
                "rng": self.rng.bit_generator.state,
            },
        )

    def set_state(self, state: State) -> None:
        """Put a state back."""
        set_network_state(self.network, state.tensors)
        set_optimizer_state(self.fitter.optimizer, state.tensors)
        set_random_state(state.tensors)
        self.timesteps, self.episodes, self.round = (
            int(state.numbers[name]) for name in ("timesteps", "episodes", "round")
        )
        self.rng.bit_generator.state = state.numbers["rng"]


class Imitation(_Labeller):
    """Imitates the decisions that rebuild a teacher's solutions, or those a rule advises; the budget counts them.

    A rule is asked at every state that it and the network come to together: of each decision, the rule's action is
    played with probability beta and the network's, drawn at temperature 1, else; the rule's is what is imitated.

    Source: Ross, Gordon and Bagnell 2011, A Reduction of Imitation Learning and Structured Prediction to No-Regret
    Online Learning (DAgger); a round's decisions are fitted and then forgotten, where there all are kept.
    """

    name = "imitation"
    config: ImitationConfig

    def __init__(self, task: Task, network: GraphPolicy, compiled: Any, config: ImitationConfig, scale: float) -> None:
        super().__init__(task, network, compiled, config, scale)
        self.teacher, self.replay, self.advise = find_teacher(task, config)
        self.env = task.make(config.instances, "disabled")
        self.fitter.statics = statics_of(network, self.env)

    def _label(self, instances: Sequence[Instance]) -> tuple[Decisions, int, dict[str, float]]:
        return self._replayed(instances) if self.advise is None else self._advised(instances, self.advise)

    def _advised(self, instances: Sequence[Instance], advise: Advise) -> tuple[Decisions, int, dict[str, float]]:
        beta = BETA.at(self.spent) if self.config.beta is None else self.config.beta.at(self.spent)

        def play(live: Array, advised: Array) -> Array:
            own = live[self.rng.random(len(live)) >= beta]
            actions = advised.copy()
            if len(own):
                actions[own] = self._sample({key: part[own] for key, part in self.env.live_observation.items()})
            return actions

        self.env.reset(seed=self._seeds(), options={"instance": list(instances)})
        data = record(self.env, lambda step: advise(self.env), self.scale, play=play, keep=self._keep)
        return data, len(data), {"beta": beta, "played_value": self._mean_value()}

    def _keep(self, live: Array) -> Array:
        share = self.config.keep
        kept: Array = self.rng.random(len(live)) < share if share < 1 else np.ones(len(live), np.bool_)
        return kept

    def _mean_value(self) -> float:
        return float(np.mean(self.env.objective_values(self.task.objective)))

    def _replayed(self, instances: Sequence[Instance]) -> tuple[Decisions, int, dict[str, float]]:
        assert self.replay is not None
        replay = self.replay
        solutions: list[Solution] = []
        for at, instance in enumerate(instances):
            outcome = self.teacher.solve(instance, objective=self.task.objective, seed=self.round * len(instances) + at)
            if outcome.solution is None:
                raise InputError(f"teacher {self.teacher.label}: found no solution of {instance.name}")
            solutions.append(outcome.solution)
        values = [self._judge(*pair) for pair in zip(instances, solutions, strict=True)]
        self.env.reset(seed=self._seeds(), options={"instance": list(instances)})
        data = record(self.env, lambda step: replay(self.env, solutions), self.scale, keep=self._keep)
        told = {"teacher_value": float(np.mean(values)), "replayed_value": self._mean_value()}
        return data, len(data), told

    def _judge(self, instance: Instance, solution: Solution) -> float:
        verdict = self.task.family.validate(instance, solution)
        if not verdict.feasible:
            broken = verdict.violations[0].message
            raise InputError(f"teacher {self.teacher.label}: its solution of {instance.name} is not valid: {broken}")
        return verdict.values[self.task.objective]


class SelfLabelling(_Labeller):
    """Samples solutions of each instance and imitates the best; the budget counts decisions sampled.

    Source: Corsini, Porrello, Calderara and Dell'Amico 2024, Self-Labeling the Job Shop Scheduling Problem.
    """

    name = "self_labelling"
    config: SelfLabellingConfig

    def __init__(
        self, task: Task, network: GraphPolicy, compiled: Any, config: SelfLabellingConfig, scale: float
    ) -> None:
        super().__init__(task, network, compiled, config, scale)
        self.sampled = task.make(config.instances * config.samples, "disabled")
        self.env = task.make(config.instances, "disabled")
        # Both batches number given instances alike, and this one plays them first.
        self.fitter.statics = statics_of(network, self.sampled)

    def _label(self, instances: Sequence[Instance]) -> tuple[Decisions, int, dict[str, float]]:
        env, count = self.sampled, self.config.samples
        repeated = [one for one in instances for _ in range(count)]
        seeds = [seed for seed in self._seeds() for _ in range(count)]
        env.reset(seed=seeds, options={"instance": repeated})
        played: list[Array] = []
        cost = 0
        while not env.done.all():
            live = np.flatnonzero(~env.done)
            actions = np.zeros(env.num_envs, np.int64)
            obs = {key: part[live] for key, part in env.live_observation.items()}
            actions[live] = self._sample(obs, self.config.temperature)
            played.append(actions)
            cost += len(live)
            env.step_in_place(actions)
        objective, sign = objective_of(env, self.task.objective)
        # A sequence that was cut off has no value, and is none to imitate.
        values = final_values(env, objective, env.flags.terminated).reshape(len(instances), count)
        keys = ranking(values, sign)
        best = keys.argmin(axis=1)
        for instance, key in zip(instances, keys.min(axis=1), strict=True):
            if np.isinf(key):
                raise InputError(
                    f"self_labelling: no sample of {instance.name} came to its end; raise max_episode_steps"
                )
        rows = np.arange(len(instances)) * count + best
        self.env.reset(seed=self._seeds(), options={"instance": list(instances)})
        follow: Callable[[int], Array] = lambda step: played[step][rows]  # noqa: E731
        data = record(self.env, follow, self.scale)
        told = {
            "sampled_value": float(np.nanmean(values)),
            "best_value": float(values[np.arange(len(best)), best].mean()),
        }
        return data, cost, told
