"""The training loop: stages, budgets, logging, validation, checkpoints, resuming and stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ganttlet.core.errors import InputError
from ganttlet.core.graph import GraphSpec
from ganttlet.core.options import as_number
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.policy.checkpoint import (
    Card,
    LoadedPolicy,
    check_device,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from ganttlet_agents.policy.encoders.attention import LIMIT
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.schema import Schema
from ganttlet_agents.policy.static import check_static, split
from ganttlet_agents.training.config import ImitationConfig, TrainConfig
from ganttlet_agents.training.folder import RunFolder
from ganttlet_agents.training.imitation import Imitation, SelfLabelling, find_teacher
from ganttlet_agents.training.learner import Learner, State
from ganttlet_agents.training.ppo import PPOLearner
from ganttlet_agents.training.saving import has_state, load_state, save_state
from ganttlet_agents.training.selfplay import SelfPlay
from ganttlet_agents.training.signals import noting_signals
from ganttlet_agents.training.task import EPISODES, Task
from ganttlet_agents.training.validation import Validator, Verdict


@dataclass
class Book:
    """What the loop itself must remember between a stop and a resume; plain numbers."""

    stage: int = 0
    seconds: float = 0.0
    stage_seconds: float = 0.0
    before: int = 0
    """Decisions of the stages that are over."""
    episodes: int = 0
    """Episodes of the stages that are over."""
    next_eval: int = 0
    next_save: int = 0
    lines: int = 0
    evaluations: int = 0
    best: float | None = None
    last_score: float | None = None
    scale: float = 1.0
    references: list[float] | None = None
    finished: bool = False


@dataclass(frozen=True)
class Status:
    """What a progress display shows."""

    stage: str
    total: int
    budget: int
    seconds: float
    spent: float
    steps_per_s: float
    score: float | None
    verdict: Verdict | None = field(default=None, compare=False)


OnStatus = Callable[[Status], None]
MakePPO = Callable[[Task, GraphPolicy, float], Learner]
"""Task, network and reward scale -> the learner of a stage of PPO."""


class Trainer:
    """A run from its settings to its last checkpoint; what is wrong with the settings is said before a file is made.

    Args:
        config: the settings.
        on_status: called after every update.
        resume: the folder of a run to go on with, whose settings these are.
        ppo: makes the learner of PPO where decisions are played elsewhere, as ``rollout_workers`` asks for.

    Raises:
        InputError: for settings that cannot be trained with, or a state that is missing, damaged or of other settings.
    """

    def __init__(
        self,
        config: TrainConfig,
        on_status: OnStatus = lambda status: None,
        resume: RunFolder | None = None,
        ppo: MakePPO | None = None,
    ) -> None:
        self.config, self.on_status, self._ppo = config, on_status, ppo
        if (config.rollout_workers is None) != (ppo is None):
            raise InputError("rollout_workers: this trainer has none; make it with ganttlet_agents.distributed.rllib")
        saved = None
        if resume is not None and (resume.begun or has_state(resume.checkpoints)):
            saved = load_state(resume.checkpoints)
        book = Book() if saved is None else _book(saved[1])
        self.device = check_device(config.device)
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.task = Task(config)
        check_size(self.task.graph, config, "training")
        self.validator = Validator(self.task, book.references)
        check_size(self.validator.env.graph, config, "validation")
        if config.network.static_rounds:
            check_static(self.task.graph)
        self.network = GraphPolicy(Schema.of(self.task.graph), config.network).to(self.device)
        scale = config.reward_scale
        if config.warm_start_from is not None and saved is None:
            found = self._warm_start(config.warm_start_from)
            scale = found if scale is None else scale
        self.compiled: Any = torch.compile(self.network, dynamic=True) if config.compile else self.network
        if saved is None:
            scale = self.task.reward_scale() if scale is None else scale
            book = Book(scale=scale, references=self.validator.references)
        self.book = book
        self.stages = self._stages()
        self.stop_signal: int | None = None
        # Decisions at which a validation and a saved state are due, whatever their frequencies.
        self.mark: int | None = None
        self.folder: RunFolder | None = resume
        self.resumed = saved is not None
        if saved is None:
            self._check()
        self._learner = self._make(book.stage)
        if saved is not None:
            self._set_state(saved[0])

    def _check(self) -> None:
        """Find out now what would fail later: a teacher that is not there, an encoder that does not fit."""
        for kind, _ in self.stages:
            if kind in ("warm_start", "imitation"):
                find_teacher(self.task, self._taught(kind))
        score = LoadedPolicy(self.network, self._card(None), str(self.device)).scorer()
        self.validator.check(score)
        env = self.task.make(EPISODES, "disabled")
        env.reset(seed=self.task.seed_of(0))
        score.bound_to(env)(env.live_observation)

    def _set_state(self, state: State) -> None:
        try:
            self._learner.set_state(state)
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            told = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
            raise InputError(f"resume: the saved state does not fit the run's settings: {told}") from None

    def _warm_start(self, source: str) -> float | None:
        """Take the weights of a checkpoint; return the reward scale of its values, None if it names none."""
        loaded = load_checkpoint(source)
        loaded.check_graph(self.task.graph, f"warm_start_from {source!r}")
        if self.config.network != loaded.network.config:
            raise InputError(f"warm_start_from {source!r}: its network is {loaded.card.network}")
        load_weights(self.network, loaded.network.state_dict(), source)
        scale = loaded.card.decoding.get("reward_scale")
        return None if scale is None else as_number(f"warm_start_from {source!r}: reward_scale", scale, 0.0, math.inf)

    def _stages(self) -> list[tuple[str, int]]:
        """Return (kind, decisions) of each stage."""
        config = self.config
        first = [] if config.warm_start is None else [("warm_start", config.warm_start.n_timesteps)]
        return [*first, (config.algorithm, config.n_timesteps)]

    def _seconds(self) -> float | None:
        """Return the seconds that the present stage may take; the last one has what the others left of the limit."""
        limit, book = self.config.time_limit, self.book
        if limit is None:
            return None
        if book.stage + 1 < len(self.stages):
            return limit * self.config.warm_start_share
        return limit - (book.seconds - book.stage_seconds)

    def _make(self, stage: int) -> Learner:
        kind, config = self.stages[stage][0], self.config
        args = (self.task, self.network, self.compiled)
        if kind == "ppo" and self._ppo is not None:
            return self._ppo(self.task, self.network, self.book.scale)
        if kind == "ppo":
            return PPOLearner(*args, config.ppo, self.book.scale)
        if kind == "self_labelling":
            return SelfLabelling(*args, config.self_labelling, self.book.scale)
        if kind == "gumbel":
            return SelfPlay(*args, config.gumbel, self.book.scale)
        return Imitation(*args, self._taught(kind), self.book.scale)

    def _taught(self, kind: str) -> ImitationConfig:
        taught = self.config.warm_start if kind == "warm_start" else self.config.imitation
        assert taught is not None
        return taught

    def run(self, folder: RunFolder) -> int | None:
        """Train to the end of the budget; return the number of the signal that stopped it earlier, or None.

        A new run that fails before its first state is saved takes its folder away.
        """
        with noting_signals(self), closing(self.steps(folder)) as steps:
            for _ in steps:
                pass
        return self.stop_signal

    def steps(self, folder: RunFolder) -> Generator[Status]:
        """Train like :meth:`run`, but yield after every update; closing the iterator saves the state and stops."""
        self.folder = folder
        if self.resumed:
            # What was logged at the state's own decisions stays.
            folder.forget_after(self.book.lines, self.book.evaluations, self.total + 1)
        else:
            self._begin(folder)
        try:
            while not self.book.finished and self.stop_signal is None:
                yield self._iterate()
        except GeneratorExit:
            if not self.book.finished:
                self._save()
            raise
        else:
            if not self.book.finished:
                self._save()
        finally:
            folder.close()

    def _begin(self, folder: RunFolder) -> None:
        try:
            folder.forget_after(0, 0, 0)
            # Before the validation, which takes its time: from here on the folder holds a policy that loads.
            save_checkpoint(folder.last, self.network, self._card(None))
            self._evaluate()
            self._save()
        except BaseException:
            folder.remove()
            raise

    @property
    def total(self) -> int:
        """Decisions of the whole run so far."""
        return self.book.before + self._learner.timesteps

    def _spent(self) -> float:
        """Return the share of the present stage's budget that is used."""
        share = self._learner.timesteps / self.stages[self.book.stage][1]
        used, seconds = self.book.stage_seconds, self._seconds()
        if seconds is not None:
            share = max(share, used / seconds) if seconds > used else 1.0
        return min(1.0, share)

    def _iterate(self) -> Status:
        learner, book, folder = self._learner, self.book, self.folder
        assert folder is not None
        begun, before = time.perf_counter(), learner.timesteps
        told = learner.iterate(self._spent())
        took = time.perf_counter() - begun
        book.seconds += took
        book.stage_seconds += took
        speed = (learner.timesteps - before) / took
        line = {"stage": learner.name, "timesteps": self.total, "episodes": book.episodes + learner.episodes}
        folder.log({**line, "seconds": book.seconds, "steps_per_s": speed, **told}, self.total)
        book.lines += 1
        over, best = self._spent() >= 1.0, book.best
        marked = self.mark is not None and book.before + before < self.mark <= self.total
        verdict = None
        if over or marked or self.total >= book.next_eval:
            verdict = self._evaluate()
        if over:
            self._next_stage()
        # A new best goes with a state that knows of it, or the run that resumes might replace it by a worse one.
        if over or marked or book.best != best or self.total >= book.next_save:
            self._save()
        status = self._status(learner.name, speed, verdict)
        self.on_status(status)
        return status

    def _next_stage(self) -> None:
        book, learner = self.book, self._learner
        if book.stage + 1 == len(self.stages):
            book.finished = True
            return
        book.before += learner.timesteps
        book.episodes += learner.episodes
        book.stage, book.stage_seconds = book.stage + 1, 0.0
        self._learner = self._make(book.stage)

    def _evaluate(self) -> Verdict:
        book, folder, learner = self.book, self.folder, self._learner
        assert folder is not None
        policy = LoadedPolicy(self.network, self._card(None), str(self.device))
        begun = time.perf_counter()
        verdict = self.validator.judge(policy.scorer())
        took = time.perf_counter() - begun
        book.seconds += took
        book.stage_seconds += took
        best = book.best is None or verdict.score < book.best
        line = {"stage": learner.name, "timesteps": self.total, "seconds": book.seconds, "best": best}
        folder.log_evaluation({**line, **verdict.to_dict()}, self.total)
        book.evaluations += 1
        if best:
            book.best = verdict.score
            save_checkpoint(folder.best, self.network, self._card(verdict))
        book.last_score = verdict.score
        book.next_eval = self.total + self.config.eval_freq
        save_checkpoint(folder.last, self.network, self._card(verdict))
        return verdict

    def export(self, path: str | Path) -> None:
        """Write Stable-Baselines3's own zip, which holds pickles; raises InputError where the run is not PPO's."""
        if not isinstance(self._learner, PPOLearner):
            stage = self._learner.name if self._ppo is None else f"{self._learner.name} with rollout_workers"
            raise InputError(f"export: Stable-Baselines3's zip needs algorithm ppo, the run is at {stage}")
        self._learner.export(str(path))

    def _save(self) -> None:
        assert self.folder is not None
        self.book.next_save = self.total + self.config.save_freq
        save_state(self.folder.checkpoints, self.total, self._learner.state(), asdict(self.book))

    def _card(self, verdict: Verdict | None) -> Card:
        config = self.config
        training: dict[str, Any] = {
            "command": provenance.command_line() if self.folder is None else self.folder.command,
            "seed": config.seed,
            "algorithm": " + ".join(kind for kind, _ in self.stages),
            "commit": provenance.commit(),
        }
        if verdict is not None:
            training |= {
                "decisions": self.total,
                "seconds": round(self.book.seconds, 1),
                "validation_gap": verdict.gap,
                "validation_reference": config.validation.reference,
            }
        return Card(
            self.task.family.name,
            config.env,
            self.task.env_kwargs,
            config.network.to_dict(),
            self.task.graph.schema(),
            {"temperature": config.temperature, "reward_scale": self.book.scale},
            training,
        )

    def _status(self, stage: str, speed: float, verdict: Verdict | None) -> Status:
        book = self.book
        budget = sum(decisions for _, decisions in self.stages)
        share = self.total / budget
        if self.config.time_limit:
            share = max(share, book.seconds / self.config.time_limit)
        return Status(stage, self.total, budget, book.seconds, min(1.0, share), speed, book.last_score, verdict)


def check_size(graph: GraphSpec, config: TrainConfig, what: str) -> None:
    """Raise InputError if the padded space holds more nodes than the encoder takes.

    A rare instance may be as large as that, and would end the run in its midst.
    """
    schema, network = Schema.of(graph), config.network
    tokens = (split(schema).moving if network.static_rounds else schema).tokens
    counts = {name: graph.node(name).count for name in tokens}
    if network.encoder == "attention" and sum(counts.values()) > LIMIT:
        raise InputError(
            f"{what}: encoder 'attention': {sum(counts.values())} nodes ({', '.join(tokens)}) in the largest instance "
            f"there is room for, but it takes at most {LIMIT}; use network.encoder pointer or gnn, or smaller instances"
        )
    if network.encoder == "flat" and max(counts.values()) > network.slots:
        raise InputError(
            f"{what}: encoder 'flat': {max(counts.values())} nodes of a type in the largest instance there is room "
            f"for ({', '.join(tokens)}), but network.slots is {network.slots}"
        )


def _book(data: dict[str, Any]) -> Book:
    """Return the saved book; raises InputError for one of other fields."""
    try:
        return Book(**data)
    except TypeError as error:
        raise InputError(f"resume: the saved state is of another version: {error}") from None
