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
from ganttlet_agents.evaluation.methods import ANY_FAMILY, ANY_NAME, Information, MethodType, Option, Outcome
from ganttlet_agents.search import Decoded, Scorer, beam, greedy, make_batch, read_threshold, sample
from ganttlet_agents.search.threshold import quantiles_of

if TYPE_CHECKING:
    from ganttlet_agents.policy.checkpoint import LoadedPolicy

DECODES = ("greedy", "sample", "beam")
DEFAULTS: Mapping[str, Any] = {"decode": "greedy", "samples": 64, "temperature": 1.0, "threshold": None, "width": 16}
NEEDS = {"samples": "sample", "temperature": "sample", "threshold": "sample", "width": "beam"}
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Decoding:
    """How a policy's sequences are made: the options of ``policy:NAME`` with nothing left open.

    Fields:
        decode: one of DECODES.
        samples: sequences under ``sample``, the greedy one included.
        temperature: of the samples.
        threshold: what is not drawn under ``sample``, as :func:`read_threshold` reads it, or None.
        width: sequences kept under ``beam``.
        batch: most sequences played at once under ``sample``.
    """

    decode: str
    samples: int
    temperature: float
    threshold: str | None
    width: int
    batch: int

    @property
    def sequences(self) -> int:
        """Sequences of an instance that the best one is chosen from."""
        return {"greedy": 1, "sample": self.samples, "beam": self.width}[self.decode]

    @property
    def rows(self) -> int:
        """Rows of the batch to decode in."""
        return min(self.batch, self.samples) if self.decode == "sample" else self.sequences


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
    def settled(self) -> dict[str, Any]:
        """The decoding with what the checkpoint or DEFAULTS filled in."""
        return asdict(self.decoding)

    def solve(self, instance: Instance, *, objective: str, seed: int) -> Outcome:
        """Return the best solution by ``objective`` and the number of decisions taken.

        Where the environment does not show that objective, the one that it plays for chooses.
        """
        with _torch_threads(self.threads):
            found = self._decode(self.decoding, instance, objective, seed)
        return Outcome(found.solution, status="unfinished" if np.isnan(found.value) else "", decisions=found.decisions)

    def warm_up(self, instance: Instance, *, objective: str) -> None:
        """Load the compiled kernels and PyTorch's: one greedy sequence."""
        with _torch_threads(self.threads):
            self._decode(replace(self.decoding, decode="greedy"), instance, objective, 0)

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
        decode = decode or needed
        if decode != needed:
            raise InputError(f"method policy:{name} option {key!r}: needs decode={needed}, and not decode={decode}")


def _decoding(name: str, options: Mapping[str, Any], card: Mapping[str, Any]) -> Decoding:
    """Fill in what was not given: an option that was implies its decoding, then the checkpoint's, then DEFAULTS."""
    implied = [needed for key, needed in NEEDS.items() if options[key] is not None]
    chosen = {**DEFAULTS, **{key: card[key] for key in DEFAULTS if key in card}}
    chosen |= {"decode": implied[0]} if implied else {}
    chosen |= {key: options[key] for key in DEFAULTS if options[key] is not None}
    # What came by an option has been checked; what came from the checkpoint has not.
    what = f"method policy:{name}: decoding"
    check_choice(f"{what} 'decode'", chosen["decode"], DECODES)
    for key in ("samples", "width"):
        as_count(f"{what} {key!r}", chosen[key])
    if as_number(f"{what} 'temperature'", chosen["temperature"], 0.0, float("inf")) == 0.0:
        raise InputError(f"{what} 'temperature': expected a number greater than 0, got 0")
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
    """Choosing among sequences is hindsight where each plays the same hidden realisation."""
    several = Decoding(**{field.name: options[field.name] for field in fields(Decoding)}).sequences > 1
    return "clairvoyant" if several and get_family(family).stochastic else "causal"


def _above_zero(value: float) -> str | None:
    return None if value > 0.0 else f"{value:g} is too small; expected a number greater than 0"


def _readable(value: str) -> None:
    read_threshold(value)


OPTIONS = {
    "decode": Option(
        str,
        None,
        "how sequences are made; what an option of sampling or beam implies, else the checkpoint's own, else greedy",
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
    "batch": Option(int, 128, "most samples played at once, for memory's sake", minimum=1),
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
        deterministic=lambda options: options["device"] == "cpu",
        information=_information,
    ),
)
