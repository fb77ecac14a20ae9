"""Dispatching rules for the job shop, vectorised over a batch and usable under every timing discipline.

A rule ranks the jobs that may be chosen by one quantity; ties go to the lowest job index. Sources: Panwalkar & Iskander
1977 (SPT … LTWK, EDD), Baker & Kanet 1983 (MDD), Vepsalainen & Morton 1987 (ATC, COVERT), Smith 1956 (WSPT).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, as_number
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.instance import JobShopInstance
from ganttlet.job_shop.library import resolve
from ganttlet.job_shop.solution import Schedule
from ganttlet.job_shop.timing import TIMINGS
from ganttlet.job_shop.view import JobShopView
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome

Floats = NDArray[np.float64]
LOOK_AHEAD = 2.0
LEAST = 1e-9
FAR = 1e18


def _share(part: Any, whole: Any, otherwise: float) -> Floats:
    """Return part / whole, ``otherwise`` where whole is 0."""
    result = np.full(np.broadcast_shapes(np.shape(part), np.shape(whole)), otherwise)
    np.divide(part, whole, out=result, where=np.asarray(whole) != 0)
    return result


def _slack(view: JobShopView) -> Floats:
    """Return the time to spare until the due date if the job never waits, at least 0."""
    return np.maximum(0.0, view.due - view.clock - view.work)


def _covert(view: JobShopView) -> Floats:
    urgency = np.maximum(0.0, 1.0 - _share(_slack(view), LOOK_AHEAD * view.work, 1.0))
    index: Floats = view.weight / np.maximum(1, view.duration) * np.where(_slack(view) == 0, 1.0, urgency)
    return index


def _atc(view: JobShopView) -> Floats:
    """The logarithm of the index, so that distant due dates do not underflow to a tie."""
    count = np.maximum(1, view.legal.sum(axis=1, keepdims=True))
    mean = np.maximum(1.0, np.sum(view.duration, axis=1, where=view.legal, keepdims=True) / count)
    index: Floats = np.log(np.maximum(LEAST, view.weight / np.maximum(1, view.duration)))
    index -= _slack(view) / (LOOK_AHEAD * mean)
    return index


@dataclass(frozen=True)
class Rule:
    """A dispatching rule: the job of least (or greatest) ``quantity`` among the legal ones goes first.

    ``positive`` says that the quantity is positive, so that its logarithm can be perturbed for best-of-K.
    """

    about: str
    sense: Literal["min", "max"]
    quantity: Callable[[JobShopView], NDArray[Any]]
    positive: bool = True


RULES: dict[str, Rule] = {
    "spt": Rule("shortest processing time of the next operation", "min", lambda v: v.duration),
    "lpt": Rule("longest processing time of the next operation", "max", lambda v: v.duration),
    "mwkr": Rule("most work remaining", "max", lambda v: v.work),
    "lwkr": Rule("least work remaining", "min", lambda v: v.work),
    "mor": Rule("most operations remaining", "max", lambda v: v.ops_left),
    "lor": Rule("least operations remaining", "min", lambda v: v.ops_left),
    "fifo": Rule("first in the queue: least end of the previous operation", "min", lambda v: v.ready, False),
    "fdd": Rule(
        "flow due date: least work done, next operation included", "min", lambda v: v.total - v.work + v.duration
    ),
    "fdd_mwkr": Rule(
        "flow due date / work remaining", "min", lambda v: _share(v.total - v.work + v.duration, v.work, 0.0)
    ),
    "edd": Rule("earliest due date (total work without due dates)", "min", lambda v: v.due),
    "ltwk": Rule("longest total work", "max", lambda v: v.total),
    "spt_twkr": Rule(
        "processing time / work remaining, next operation included", "min", lambda v: _share(v.duration, v.work, 0.0)
    ),
    "mor_mwkr": Rule(
        "most operations remaining, then most work remaining", "max", lambda v: v.ops_left * 2.0**31 + v.work
    ),
    "cr": Rule(
        "critical ratio: (due date - now) / work remaining",
        "min",
        lambda v: _share(v.due - v.clock, v.work, -FAR),
        False,
    ),
    "mdd": Rule(
        "modified due date: max(due date, now + work remaining)", "min", lambda v: np.maximum(v.due, v.clock + v.work)
    ),
    "wspt": Rule("weight / processing time", "max", lambda v: v.weight / np.maximum(1, v.duration)),
    "wedd": Rule("due date / weight", "min", lambda v: _share(v.due, v.weight, FAR)),
    "atc": Rule("apparent tardiness cost, look-ahead 2, slack to the job's due date", "max", _atc, False),
    "covert": Rule("cost over time: weight / processing time x urgency, waiting twice the work", "max", _covert, False),
}
RANDOM = "random"


def choose(view: JobShopView, rule: Rule, noise: Floats | None = None) -> NDArray[np.int64]:
    """Return the job (B,) that ``rule`` picks in every row.

    Args:
        view: the decisions at hand.
        rule: the rule.
        noise: (B, N), subtracted from the quantity's logarithm (added, for a rule that wants the greatest).
    """
    quantity = np.asarray(rule.quantity(view), np.float64)
    if noise is not None:
        quantity = np.log(np.maximum(LEAST, quantity))
    key = quantity if rule.sense == "min" else -quantity
    if noise is not None:
        key = key - noise
    chosen: NDArray[np.int64] = np.argmin(np.where(view.legal, key, np.inf), axis=1)
    return chosen


def play(env: JobShopVectorEnv, name: str, *, sigma: float = 0.0, seed: int = 0) -> int:
    """Play one episode in every row of ``env`` (autoreset disabled, just reset) and return the steps it took.

    Args:
        env: the batch; actions are jobs, waiting is never chosen.
        name: a key of RULES, or "random" for a uniformly random legal job.
        sigma: width of the Gumbel noise on the quantity's logarithm; row 0 plays the rule itself.
        seed: of the noise.
    """
    view, rng, steps = env.view(), np.random.default_rng(seed), 0
    while not env.done.all():
        if name == RANDOM:
            actions = np.argmax(rng.random(view.legal.shape) * view.legal, axis=1)
        else:
            noise = None
            if sigma > 0.0:
                noise = sigma * rng.gumbel(size=view.legal.shape)
                noise[0] = 0.0
            actions = choose(view, RULES[name], noise)
        env.step_in_place(actions)
        steps += 1
    return steps


def run_rule(
    name: str,
    instance: JobShopInstance | str,
    timing: str = "nondelay",
    objective: str = "makespan",
    *,
    best_of: int = 1,
    sigma: float = 0.1,
    seed: int = 0,
) -> Schedule:
    """Return the schedule of a rule, or the best by ``objective`` of ``best_of`` randomised runs of it.

    Args:
        name: a key of RULES, or "random".
        instance: the problem, or whatever ``ganttlet.job_shop.resolve`` makes one of.
        timing: a timing discipline of ganttlet/JobShop-v0.
        objective: what best-of-K minimises.
        best_of: number of runs; the first is the rule itself.
        sigma: width of the Gumbel noise on the logarithm of the rule's quantity.
        seed: of the noise.

    Raises:
        InputError: for an unknown rule, timing or objective, or a rule that cannot be randomised.
    """
    return _run(name, instance, timing, objective, best_of, sigma, seed)[0]


def _run(
    name: str, instance: JobShopInstance | str, timing: str, objective: str, best_of: int, sigma: float, seed: int
) -> tuple[Schedule, int]:
    instance = resolve(instance)
    check_choice("rule", name, [*RULES, RANDOM])
    best_of, sigma = as_count("best_of", best_of), as_number("sigma", sigma, 0.0, float("inf"))
    if best_of > 1 and name != RANDOM and not RULES[name].positive:
        known = ", ".join(key for key, rule in RULES.items() if rule.positive)
        raise InputError(
            f"rule {name!r}: its quantity is not always positive, so best_of cannot perturb it; use {known}"
        )
    env = JobShopVectorEnv(
        best_of, instance=instance, timing=timing, objective=objective, window=1, autoreset_mode="disabled", copy=False
    )
    env.reset(seed=seed)
    steps = play(env, name, sigma=sigma if best_of > 1 else 0.0, seed=seed)
    row = int(np.argmin(env.objective_values(objective)))
    solution = env.solution(row)
    assert isinstance(solution, Schedule)
    return solution, steps * best_of


@dataclass(frozen=True)
class RuleMethod:
    """A rule as the evaluator calls it."""

    name: str
    timing: str
    best_of: int
    sigma: float

    def solve(self, instance: JobShopInstance, *, objective: str, seed: int) -> Outcome:
        """Return the rule's schedule and the number of decisions taken."""
        schedule, decisions = _run(self.name, instance, self.timing, objective, self.best_of, self.sigma, seed)
        return Outcome(schedule, decisions=decisions)

    def warm_up(self, instance: JobShopInstance, *, objective: str) -> None:
        """Load the compiled kernels."""
        self.solve(instance, objective=objective, seed=0)


def _options(name: str) -> dict[str, Option]:
    options = {
        "timing": Option(str, "nondelay", "timing discipline", choices=TIMINGS),
        "best_of": Option(int, 1, "best of K runs, the first unperturbed", minimum=1),
        "sigma": Option(float, 0.1, "width of the Gumbel noise on the logarithm of the rule's quantity", minimum=0.0),
    }
    if name == RANDOM:
        del options["sigma"]
    elif not RULES[name].positive:
        del options["best_of"], options["sigma"]
    return options


def _method(name: str, about: str) -> MethodType:
    def build(options: dict[str, Any]) -> RuleMethod:
        return RuleMethod(name, options["timing"], options.get("best_of", 1), options.get("sigma", 0.0))

    return MethodType("rule", name, "job_shop", about, _options(name), build)


METHODS = (
    *(_method(name, rule.about) for name, rule in RULES.items()),
    _method(RANDOM, "a uniformly random legal job"),
)
