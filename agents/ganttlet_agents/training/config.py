"""What a training run is told: a frozen tree of settings, read from YAML presets and the command line."""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass, field, replace
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.training.schedules import PROFILES, scheduled
from ganttlet_agents.training.seeds import training_seed

ALGORITHMS = ("ppo", "imitation", "self_labelling", "gumbel")
BASELINES = ("value", "group", "surprise")


@dataclass(frozen=True)
class Schedule:
    """A value that changes over its stage of the run; a plain number stands for a constant."""

    start: float
    """Value at the beginning."""
    end: float = 0.0
    """Value at the end."""
    profile: str = "linear"
    """constant, linear, cosine or rex."""

    def __post_init__(self) -> None:
        check_choice("profile", self.profile, PROFILES)
        for name in ("start", "end"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"{name}: expected a number of at least 0, got {getattr(self, name)}")

    @staticmethod
    def of_number(value: float) -> dict[str, Any]:
        """Return the settings that a plain number stands for: a constant."""
        return {"start": value, "end": value, "profile": "constant"}

    def settled(self, given: Container[str]) -> Schedule:
        """Return the schedule that the settings named in ``given`` mean: a constant ends where it starts.

        Raises:
            InputError: if the end of a constant was given, and is another.
        """
        if self.profile != "constant" or self.end == self.start:
            return self
        if "end" in given:
            raise InputError(
                f"end: {self.end:g} is never reached from {self.start:g} with profile constant; leave it out, or "
                f"choose one of {', '.join(name for name in PROFILES if name != 'constant')}"
            )
        return replace(self, end=self.start)

    def at(self, spent: float) -> float:
        """Return the value at the share ``spent`` of the stage."""
        return scheduled(self.profile, self.start, self.end, spent)


@dataclass(frozen=True)
class PPOConfig:
    """Proximal policy optimisation (Schulman et al. 2017), by Stable-Baselines3."""

    n_envs: int = 128
    """Environments in the batch."""
    n_steps: int = 96
    """Decisions per environment between updates."""
    batch_size: int = 1024
    """Decisions per minibatch."""
    n_epochs: int = 2
    """Passes over a rollout."""
    gae_lambda: float = 0.97
    """Lambda of the advantage estimate."""
    learning_rate: Schedule = field(default_factory=lambda: Schedule(7e-4, 3.5e-5))
    """Step size of Adam."""
    clip_range: Schedule = field(default_factory=lambda: Schedule(0.2, 0.2, "constant"))
    """How far the ratio of new to old probabilities may leave 1."""
    entropy: Schedule = field(default_factory=lambda: Schedule(0.003, 0.0))
    """Weight of the entropy bonus."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Gradients longer than this are cut to it."""
    target_kl: float | None = None
    """Stop the passes over a rollout at 1.5 times this KL divergence."""
    group: int = 1
    """Environments that play the same instances with the same realisations; n_envs is a multiple of it."""
    baseline: str = "value"
    """value: advantages are measured against the value head; group: against what the rest of the group still got at the
    same time of the same episode (Mao et al. 2019); surprise: against the value head, and less what the rest of the
    group got beyond theirs at that time, which is what the world brought to all of them."""

    def __post_init__(self) -> None:
        _check_least(self, 1, "n_envs", "n_steps", "n_epochs", "group")
        check_choice("baseline", self.baseline, BASELINES)
        if self.n_envs % self.group:
            raise InputError(f"group: expected a divisor of n_envs, {self.n_envs}, got {self.group}")
        if self.baseline != "value" and self.group < 2:
            raise InputError(f"baseline: {self.baseline} needs at least 2 environments in a group, and group is 1")
        # Advantages are normalised per minibatch, which takes two.
        _check_least(self, 2, "batch_size")
        if self.n_envs * self.n_steps < 2:
            raise InputError("n_steps: expected at least 2 decisions between updates, n_envs x n_steps is 1")
        if not 0 <= self.gae_lambda <= 1:
            raise InputError(f"gae_lambda: expected a number between 0 and 1, got {self.gae_lambda}")
        _check_least(self, 0, "vf_coef")
        _check_above(self, "max_grad_norm", "target_kl")


@dataclass(frozen=True)
class FitConfig:
    """How decisions are imitated: cross-entropy, and the value head on the returns that followed."""

    batch_size: int = 1024
    """Decisions per minibatch."""
    n_epochs: int = 2
    """Passes over the decisions of a round."""
    learning_rate: Schedule = field(default_factory=lambda: Schedule(7e-4, 3.5e-5))
    """Step size of Adam."""
    vf_coef: float = 0.1
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Gradients longer than this are cut to it."""

    def __post_init__(self) -> None:
        _check_least(self, 1, "batch_size", "n_epochs")
        _check_least(self, 0, "vf_coef")
        _check_above(self, "max_grad_norm")


@dataclass(frozen=True)
class ImitationConfig:
    """Imitate a method: its schedules, turned into decisions by replay, or a rule asked at every visited state."""

    teacher: str = "rule:spt_twkr:best_of=64"
    """Method text, as in evaluate.py: a rule, a rule's best of K, or a solver."""
    instances: int = 64
    """Fresh instances per round."""
    n_timesteps: int = 200_000
    """Decisions to imitate where imitation is the warm start; on its own, the run's n_timesteps counts."""
    beta: Schedule | None = None
    """Share of the decisions that the teacher plays, the network the others (DAgger, Ross et al. 2011); none: from 1 to
    0. Only for rules that are asked: where solutions are replayed the teacher plays all."""
    keep: float = 1.0
    """Share of the decisions that is kept and imitated, drawn at random; less for long episodes, to save memory."""
    fit: FitConfig = field(default_factory=FitConfig)
    """How the decisions are imitated."""

    def __post_init__(self) -> None:
        _check_least(self, 1, "instances", "n_timesteps")
        if not 0 < self.keep <= 1:
            raise InputError(f"keep: expected a number above 0, and at most 1, got {self.keep}")
        if self.beta is not None and max(self.beta.start, self.beta.end) > 1:
            raise InputError("beta: expected shares between 0 and 1")


@dataclass(frozen=True)
class SelfLabellingConfig:
    """Sample solutions, imitate the best (Corsini et al. 2024)."""

    samples: int = 32
    """Solutions sampled per instance."""
    instances: int = 16
    """Fresh instances per round."""
    temperature: float = 1.0
    """What logits are divided by before sampling."""
    fit: FitConfig = field(default_factory=FitConfig)
    """How the decisions are imitated."""

    def __post_init__(self) -> None:
        _check_least(self, 1, "samples", "instances")
        _check_above(self, "temperature", finite=True)


@dataclass(frozen=True)
class GumbelConfig:
    """Search every decision, imitate the improved policies and the returns (Danihelka et al. 2022)."""

    simulations: int = 16
    """Leaves visited in the search of a decision."""
    considered: int = 8
    """Most actions tried at the root of a search."""
    value_scale: float = 0.1
    """Weight of values, brought into 0 to 1, against the policy's logits."""
    least_range: float = 1.0
    """Least range, in scaled rewards, that is brought to 0 to 1, so that errors of values are not blown up."""
    temperature: Schedule = field(default_factory=lambda: Schedule(1.0, 1.0, "constant"))
    """Factor on the Gumbel noise by which moves are drawn; 0 considers the most probable actions."""
    n_envs: int = 32
    """Episodes of a round, each on a fresh instance; the batch has simulations + 1 rows for each."""
    capacity: int = 20_000
    """Decisions remembered, the latest; saved states hold them too."""
    updates: int = 64
    """Gradient steps after a round."""
    batch_size: int = 256
    """Decisions per gradient step, drawn from those remembered."""
    learning_rate: Schedule = field(default_factory=lambda: Schedule(5e-4, 5e-5))
    """Step size of Adam."""
    vf_coef: float = 0.25
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Gradients longer than this are cut to it."""

    def __post_init__(self) -> None:
        _check_least(self, 1, "simulations", "considered", "n_envs", "capacity", "updates", "batch_size")
        _check_least(self, 0, "value_scale", "least_range", "vf_coef")
        _check_above(self, "max_grad_norm")


@dataclass(frozen=True)
class ValidationConfig:
    """Fixed instances on which checkpoints are compared."""

    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Group name -> generator settings; empty: the training generator."""
    count: int = 16
    """Instances per group."""
    reference: str = "none"
    """Method whose values the gaps are measured against, or none (then the mean value counts)."""

    def __post_init__(self) -> None:
        _check_least(self, 1, "count")


@dataclass(frozen=True)
class TrainConfig:
    """A training run, whole."""

    env: str
    """Environment id."""
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    """Its keyword arguments, the training generator among them."""
    algorithm: str = "ppo"
    """ppo, imitation, self_labelling or gumbel."""
    n_timesteps: int = 1_000_000
    """Budget in decisions: played (ppo), imitated (imitation), sampled (self_labelling), searched (gumbel); warm start
    apart."""
    time_limit: float | None = None
    """Budget in seconds, if it ends before the decisions do; schedules follow whichever is spent further."""
    warm_start: ImitationConfig | None = None
    """Imitation before the algorithm, with the keys of imitation; none: no warm start."""
    warm_start_share: float = 0.25
    """Share of the time limit that the warm start may take; what it leaves is the algorithm's."""
    warm_start_from: str | None = None
    """Checkpoint whose weights the run begins with."""
    seed: int = 0
    """Seed of the network, the instances and the play, 0 to 999."""
    reward_scale: float | None = None
    """Factor on rewards; none: that of warm_start_from where it names one, else 1 / the standard deviation of the
    returns of random play."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The network's shape."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """Settings of algorithm ppo."""
    imitation: ImitationConfig = field(default_factory=ImitationConfig)
    """Settings of algorithm imitation."""
    self_labelling: SelfLabellingConfig = field(default_factory=SelfLabellingConfig)
    """Settings of algorithm self_labelling."""
    gumbel: GumbelConfig = field(default_factory=GumbelConfig)
    """Settings of algorithm gumbel."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """On what checkpoints are compared."""
    eval_freq: int = 200_000
    """Decisions between validations."""
    save_freq: int = 200_000
    """Decisions between saved states."""
    temperature: float = 1.0
    """Default temperature of sampled decoding, kept in the checkpoint."""
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int | None = None
    """Threads of PyTorch; none: its own choice."""
    rollout_workers: int | None = None
    """Workers of RLlib that play the decisions of ppo, each with n_envs / workers environments, a core of its own and
    on any machine of a Ray cluster; 0: RLlib in the run's own process; none: no RLlib."""
    compile: bool = False
    """Run the network through torch.compile."""

    @property
    def validates_on_training(self) -> bool:
        """Whether validation plays the training instances: those are fixed, and no other groups are given."""
        fixed = any(self.env_kwargs.get(key) is not None for key in ("instance", "instances"))
        return fixed and not self.validation.groups

    def __post_init__(self) -> None:
        check_choice("algorithm", self.algorithm, ALGORITHMS)
        training_seed(self.seed)
        _check_least(self, 1, "n_timesteps", "eval_freq", "save_freq", "threads")
        _check_least(self, 0, "rollout_workers")
        _check_above(self, "time_limit", "temperature", "reward_scale", finite=True)
        if not 0 < self.warm_start_share < 1:
            raise InputError(f"warm_start_share: expected a number between 0 and 1, got {self.warm_start_share}")


def _check_least(config: Any, least: int, *names: str) -> None:
    """Raise InputError for the first of these fields that is set and below ``least``."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not least <= value < math.inf:
            raise InputError(f"{name}: expected at least {least}, got {value}")


def _check_above(config: Any, *names: str, finite: bool = False) -> None:
    """Raise InputError for the first of these fields that is set and not above 0, or infinite where that is no use."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise InputError(f"{name}: expected more than 0, got {value}")
        if value == math.inf and finite:
            raise InputError(f"{name}: expected a finite number, got {value}")
