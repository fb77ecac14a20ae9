"""``policy:NAME``: a trained policy as the evaluator calls it; PyTorch is imported when one is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ganttlet.core.errors import InputError, MissingExtraError, check_choice
from ganttlet.core.family import get_family
from ganttlet.core.options import as_count, as_number
from ganttlet.core.record import Instance
from ganttlet_agents.evaluation.methods import ANY_FAMILY, ANY_NAME, Budgets, Information, MethodType, Option, Outcome
from ganttlet_agents.search import Decoded, Scorer, beam, greedy, gumbel, make_batch, read_threshold, sample
from ganttlet_agents.search.threshold import quantiles_of

if TYPE_CHECKING:
    from ganttlet_agents.policy.checkpoint import LoadedPolicy

DECODES = ("greedy", "sample", "beam", "gumbel")
DEFAULTS: Mapping[str, Any] = {
    "decode": "greedy",
    "samples": 64,
    "temperature": 1.0,
    "threshold": None,
    "width": 16,
    "simulations": 32,
    "considered": 16,
    "episodes": 1,
    "value_scale": 0.1,
    "least_range": 1.0,
    "reward_scale": None,
    "seconds": None,
}
# Option -> the decodings that take it, the one that it implies first; those of a single decoding come first.
NEEDS = {
    "samples": ("sample",),
    "temperature": ("sample",),
    "threshold": ("sample",),
    "width": ("beam",),
    "simulations": ("gumbel",),
    "considered": ("gumbel",),
    "episodes": ("gumbel",),
    "value_scale": ("gumbel",),
    "least_range": ("gumbel",),
    "reward_scale": ("gumbel",),
    "seconds": ("sample", "gumbel"),
}
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Decoding:
    """How a policy's sequences are made: the options of ``policy:NAME`` with nothing left open.

    Fields:
        decode: one of DECODES.
        samples: sequences under ``sample``, the greedy one included; None, with ``seconds``, for what time there is.
        temperature: of the samples.
        threshold: what is not drawn under ``sample``, as :func:`read_threshold` reads it, or None.
        width: sequences kept under ``beam``.
        simulations, considered, episodes, value_scale, least_range: under ``gumbel``, as
            :func:`ganttlet_agents.search.gumbel` says.
        reward_scale: factor on rewards by which the values were trained, which ``gumbel`` needs, or None.
        seconds: when the last round of sequences begins under ``sample`` and ``gumbel``, or None.
        batch: most sequences played at once under ``sample``, most rows of the batch under ``gumbel``.
    """

    decode: str
    samples: int | None
    temperature: float
    threshold: str | None
    width: int
    simulations: int
    considered: int
    episodes: int
    value_scale: float
    least_range: float
    reward_scale: float | None
    seconds: float | None
    batch: int

    @property
    def clairvoyant(self) -> bool:
        """Whether it is hindsight where a realisation is hidden: a choice among plays of it, or a search in it."""
        several = {"greedy": False, "sample": self.samples != 1, "beam": self.width > 1, "gumbel": True}
        return several[self.decode]

    @property
    def rows(self) -> int:
        """Rows of the batch to decode in."""
        if self.decode == "gumbel":
            nodes = self.simulations + 1
            return nodes * max(1, min(self.episodes, self.batch // nodes))
        if self.decode == "sample":
            return self.batch if self.samples is None else min(self.batch, self.samples)
        return self.width if self.decode == "beam" else 1


@dataclass(frozen=True)
class PolicyMethod:
    """A checkpoint with its decoding.

    Fields:
        policy: the checkpoint.
        score: its logits.
        decoding: how sequences are made.
        threads: PyTorch's threads while it plays, or None to leave them alone.
    """

    policy: LoadedPolicy
    score: Scorer
    decoding: Decoding
    threads: int | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The file that the checkpoint was loaded from."""
        return (self.policy.file,) if self.policy.file else ()

    @property
    def settled(self) -> dict[str, Any]:
        """The decoding with what the checkpoint or DEFAULTS filled in."""
        return asdict(self.decoding)

    def solve(self, instance: Instance, *, objective: str, seed: int) -> Outcome:
        """Return the best solution by ``objective`` and the number of decisions taken.

        Where the environment does not show that objective, the one that it plays for chooses.
        """
        with _torch_threads(self.threads):
            found = self._decode(self.decoding, instance, objective, seed)
        status = "unfinished" if np.isnan(found.value) else ""
        return Outcome(
            found.solution,
            status=status,
            decisions=found.decisions,
            simulated=found.simulated,
            latencies=found.latencies,
        )

    def warm_up(self, instance: Instance, *, objective: str) -> None:
        """Load the compiled kernels and PyTorch's: one sequence, greedy or with the least search."""
        searches = self.decoding.decode == "gumbel"
        least = replace(self.decoding, decode="gumbel" if searches else "greedy", simulations=1, episodes=1)
        with _torch_threads(self.threads):
            self._decode(least, instance, objective, 0)

    def _decode(self, how: Decoding, instance: Instance, objective: str, seed: int) -> Decoded:
        card = self.policy.card
        env = make_batch(card.env_id, how.rows, [instance], **card.env_kwargs)
        self.policy.check_graph(env.graph, card.env_id)
        wanted = (objective, env.objective)
        chosen = next((name for name in wanted if name in env.objective_names), None)
        if how.decode == "sample":
            return sample(
                env,
                self.score,
                instance,
                samples=how.samples,
                temperature=how.temperature,
                threshold=None if how.threshold is None else read_threshold(how.threshold),
                seed=seed,
                objective=chosen,
                seconds=how.seconds,
            )
        if how.decode == "gumbel":
            assert how.reward_scale is not None
            # The batch has this instance alone, and rows that share it are copied without it.
            return gumbel(
                env,
                self.policy.evaluator(),
                None,
                simulations=how.simulations,
                considered=how.considered,
                episodes=how.episodes,
                value_scale=how.value_scale,
                least_range=how.least_range,
                reward_scale=how.reward_scale,
                seed=seed,
                objective=chosen,
                seconds=how.seconds,
            )
        return (beam if how.decode == "beam" else greedy)(env, self.score, instance, objective=chosen)


def build(options: dict[str, Any], *, name: str, family: str) -> PolicyMethod:
    """Load a checkpoint for a family.

    Args:
        options: a value for every one of OPTIONS.
        name: a shipped policy, a run folder or a checkpoint folder.
        family: the family whose instances it is to play.

    Raises:
        InputError: for a missing or damaged checkpoint, one of another family, a device that is not there, or
            options that contradict one another.
        MissingExtraError: if PyTorch or safetensors is not installed.
    """
    _check_needs(name, options)
    policy = _load(name, options["device"])
    if policy.card.family != family:
        raise InputError(f"method policy:{name}: this policy plays {policy.card.family}, not {family}")
    check_choice(f"method policy:{name}: env_id of the checkpoint", policy.card.env_id, get_family(family).env_ids)
    decoding = _decoding(name, options, policy.card.decoding)
    if decoding.threshold is not None:
        quantiles_of(read_threshold(decoding.threshold), policy.card.schema["phases"])
    return PolicyMethod(policy, policy.scorer(), decoding, options["threads"])


def _load(name: str, device: str) -> LoadedPolicy:
    for package in ("torch", "safetensors"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "agents")
    from ganttlet_agents.policy.checkpoint import load_checkpoint

    return load_checkpoint(name, device)


def _check_needs(name: str, options: Mapping[str, Any]) -> None:
    """Refuse options of one decoding beside another, named or implied."""
    decode = options["decode"]
    for key, needed in NEEDS.items():
        if options[key] is None:
            continue
        decode = decode or needed[0]
        if decode not in needed:
            wanted = " or ".join(f"decode={one}" for one in needed)
            raise InputError(f"method policy:{name} option {key!r}: needs {wanted}, and not decode={decode}")


def _decoding(name: str, options: Mapping[str, Any], card: Mapping[str, Any]) -> Decoding:
    """Fill in what was not given: an option that was implies its decoding, then the checkpoint's, then DEFAULTS."""
    chosen = {**DEFAULTS, **{key: card[key] for key in DEFAULTS if key in card}}
    implied = next((needed for key, needed in NEEDS.items() if options[key] is not None), (chosen["decode"],))
    if chosen["decode"] not in implied:
        chosen["decode"] = implied[0]
    chosen |= {key: options[key] for key in DEFAULTS if options[key] is not None}
    if options["seconds"] is not None and options["samples"] is None:
        chosen["samples"] = None
    # What came by an option has been checked; what came from the checkpoint has not.
    what = f"method policy:{name}: decoding"
    check_choice(f"{what} 'decode'", chosen["decode"], DECODES)
    for key in ("samples", "width", "simulations", "considered", "episodes"):
        if key != "samples" or chosen[key] is not None:
            as_count(f"{what} {key!r}", chosen[key])
    for key in ("value_scale", "least_range"):
        as_number(f"{what} {key!r}", chosen[key], 0.0, float("inf"))
    for key in ("temperature", "reward_scale"):
        if chosen[key] is not None and as_number(f"{what} {key!r}", chosen[key], 0.0, float("inf")) == 0.0:
            raise InputError(f"{what} {key!r}: expected a number greater than 0, got 0")
    if chosen["decode"] == "gumbel" and chosen["reward_scale"] is None:
        raise InputError(
            f"{what} 'reward_scale': this checkpoint does not name the factor on rewards by which its values were "
            "trained, which decode=gumbel needs; give it as an option"
        )
    if chosen["threshold"] is not None and not isinstance(chosen["threshold"], str):
        raise InputError(f"{what} 'threshold': expected a text, got {chosen['threshold']!r}")
    return Decoding(**chosen, batch=options["batch"])


@contextmanager
def _torch_threads(count: int | None) -> Iterator[None]:
    """Let PyTorch use ``count`` threads inside the block."""
    if count is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _information(options: dict[str, Any], family: str) -> Information:
    """Choosing among sequences is hindsight where each plays the same hidden realisation; so is searching in it."""
    decoding = Decoding(**{field.name: options[field.name] for field in fields(Decoding)})
    return "clairvoyant" if decoding.clairvoyant and get_family(family).stochastic else "causal"


def _budgets(given: Mapping[str, str], family: str) -> Budgets:
    """Seconds limit what samples or searches; greedy play is left alone where several plays would be hindsight."""
    several = given.get("decode") in ("sample", "gumbel") or any(
        key in given for key, needed in NEEDS.items() if needed[0] in ("sample", "gumbel")
    )
    other = given.get("decode") in ("greedy", "beam") or "width" in given
    return {"seconds": "seconds"} if several or not (other or get_family(family).stochastic) else {}


def _above_zero(value: float) -> str | None:
    return None if value > 0.0 else f"{value:g} is too small; expected a number greater than 0"


def _readable(value: str) -> None:
    read_threshold(value)


OPTIONS = {
    "decode": Option(
        str,
        None,
        "how sequences are made; what an option of one of them implies, else the checkpoint's own, else greedy",
        choices=DECODES,
    ),
    "samples": Option(
        int, None, "best of K sequences, the greedy one first; the checkpoint's number, else 64", minimum=1
    ),
    "temperature": Option(
        float, None, "what logits are divided by in sampling; the checkpoint's, else 1", check=_above_zero
    ),
    "threshold": Option(
        str,
        None,
        "quantile of each decision's probabilities below which nothing is drawn in sampling: a number in 0 … 1, or one "
        "by phase, as vm/0.995+pm/0.98; 0 for none; the checkpoint's, else 0",
        check=_readable,
    ),
    "width": Option(int, None, "sequences a beam keeps; the checkpoint's number, else 16", minimum=1),
    "simulations": Option(
        int, None, "leaves visited in the search of a decision; the checkpoint's number, else 32", minimum=1
    ),
    "considered": Option(int, None, "most actions a search tries at its root; the checkpoint's, else 16", minimum=1),
    "episodes": Option(
        int,
        None,
        "searched sequences, the first without noise; the best of them and of the greedy one is kept; the "
        "checkpoint's, else 1",
        minimum=1,
    ),
    "value_scale": Option(
        float, None, "weight of values against the policy in a search; the checkpoint's, else 0.1", minimum=0
    ),
    "least_range": Option(
        float,
        None,
        "least range of scaled returns in a search that counts as all of it; the checkpoint's, else 1",
        minimum=0,
    ),
    "reward_scale": Option(
        float, None, "factor on rewards by which values were trained; the checkpoint's", check=_above_zero
    ),
    "seconds": Option(
        float,
        None,
        "no round of samples or searched sequences begins later, the first apart; samples without a number go on "
        "until then",
        minimum=0,
    ),
    "batch": Option(int, 128, "most samples played at once, and most rows of searches, for memory's sake", minimum=1),
    "device": Option(str, "cpu", "where the network runs; auto takes a GPU if there is one", choices=DEVICES),
    "threads": Option(int, None, "PyTorch's threads; as many as it takes by itself", minimum=1),
}

METHODS = (
    MethodType(
        kind="policy",
        name=ANY_NAME,
        family=ANY_FAMILY,
        about="a trained policy: a shipped name, a run folder or a checkpoint folder",
        options=OPTIONS,
        build=build,
        deterministic=lambda options: options["device"] == "cpu" and options["seconds"] is None,
        information=_information,
        budgets=_budgets,
    ),
)
