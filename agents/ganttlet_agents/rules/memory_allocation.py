"""Rules for memory allocation: buffers one after the other, each at the lowest offset or in the tightest gap.

A rule ranks buffers by one quantity, known in advance; of equals the larger area (size x lifetime) goes first, then the
lower index. Decreasing size with the tightest gap is what XLA's heap simulator and TensorFlow Lite do, by what is known
of them; increasing start is the order of a program.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, as_number
from ganttlet.memory_allocation.instance import AllocationInstance
from ganttlet.memory_allocation.library import resolve
from ganttlet.memory_allocation.packing import FITS, pack_many
from ganttlet.memory_allocation.solution import Allocation
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome

Floats = NDArray[np.float64]
RANDOM, LOWEST, BEST = "random", "lowest", "best_of_all"
CHUNK = 256  # orders packed at once
LARGE = 2000  # buffers; an order of more takes a second and longer


def _lifetime(instance: AllocationInstance) -> Floats:
    lifetime: Floats = (instance.upper - instance.lower).astype(float)
    return lifetime


def _area(instance: AllocationInstance) -> Floats:
    return instance.size * _lifetime(instance)


@dataclass(frozen=True)
class Rule:
    """An order: buffers of greatest (or least) ``quantity`` go first.

    ``positive`` says that the quantity is positive, so that its logarithm can be perturbed for best-of-K.
    """

    about: str
    sense: Literal["min", "max"]
    quantity: Callable[[AllocationInstance], NDArray[Any]]
    positive: bool = True


RULES: dict[str, Rule] = {
    "size": Rule("largest size first", "max", lambda i: i.size),
    "area": Rule("largest size x lifetime first", "max", _area),
    "lifetime": Rule("longest lifetime first", "max", _lifetime),
    "start": Rule("earliest start of the lifetime first", "min", lambda i: i.lower, False),
    "end": Rule("latest end of the lifetime first", "max", lambda i: i.upper, False),
    "degree": Rule("most overlapping buffers first", "max", lambda i: i.degree + 1),
    "contention": Rule("greatest load during its lifetime first", "max", lambda i: i.contention),
    "middle": Rule("lifetime nearest to the time of the greatest load first", "min", lambda i: _distance(i), False),
}


def _distance(instance: AllocationInstance) -> NDArray[np.int64]:
    """Return how many sections lie between each lifetime and the section of the greatest load, 0 if it is in there."""
    peak = int(np.argmax(instance.section_load))
    distance: NDArray[np.int64] = np.maximum(0, np.maximum(instance.first - peak, peak - instance.last)).astype(
        np.int64
    )
    return distance


def order_of(name: str, instance: AllocationInstance, noise: Floats | None = None) -> NDArray[np.int64]:
    """Return the buffers (n,) in the order of a rule.

    Args:
        name: a key of RULES.
        instance: the instance.
        noise: (n,), added to the logarithm of the quantity, or None.
    """
    rule = RULES[name]
    key = np.asarray(rule.quantity(instance), float)
    if noise is not None:
        key = np.log(key) + noise
    order: NDArray[np.int64] = np.lexsort((-_area(instance), key if rule.sense == "min" else -key))
    return order


def heights_of(instance: AllocationInstance, offsets: Any) -> NDArray[np.int64]:
    """Return the heights (R,) of packings (R, n)."""
    heights: NDArray[np.int64] = (offsets + instance.size).max(axis=1)
    return heights


def best_of_all(instance: AllocationInstance, deadline: float = math.inf) -> Allocation:
    """Return the lowest packing of all orders, with both fits and with the lowest first; of equals the first.

    Past ``deadline``, in seconds of ``time.perf_counter``, no further order of a problem of more than LARGE buffers is
    tried; smaller ones take milliseconds.
    """
    tries: list[tuple[dict[str, Any], str]] = [({"fit": fit}, rule) for fit in FITS for rule in RULES]
    tries += [({"by_offset": True}, rule) for rule in RULES]
    found: list[tuple[int, NDArray[Any]]] = []
    for options, rule in tries:
        if found and instance.n_buffers > LARGE and time.perf_counter() >= deadline:
            break
        offsets = pack_many(instance, [order_of(rule, instance)], **options)
        found.append((int(heights_of(instance, offsets)[0]), offsets[0]))
    return Allocation(min(found, key=lambda one: one[0])[1], instance.digest)


def run_rule(
    name: str,
    instance: AllocationInstance | str,
    *,
    fit: str = "first",
    ties: str = "area",
    best_of: int = 1,
    sigma: float = 0.1,
    seed: int = 0,
) -> Allocation:
    """Return the packing of a rule, or the lowest of ``best_of`` randomised runs of it.

    Args:
        name: a key of RULES; "random"; "lowest", the buffer that can lie lowest first; or "best_of_all", the lowest of
            all of them but "random", both fits.
        instance: the problem, or whatever ``ganttlet.memory_allocation.resolve`` makes one of.
        fit: ``first``, the lowest offset, or ``best``, the smallest gap (not of "lowest" and "best_of_all").
        ties: of "lowest": the rule by which equals are ordered.
        best_of: number of runs; the first is the rule itself.
        sigma: width of the normal noise on the logarithm of the rule's quantity.
        seed: of the noise.

    Raises:
        InputError: for an unknown rule, fit or order of ties, or a rule that cannot be randomised.
    """
    instance = resolve(instance)
    check_choice("rule", name, [*RULES, RANDOM, LOWEST, BEST])
    check_choice("fit", fit, FITS)
    check_choice("ties", ties, RULES)
    best_of, sigma = as_count("best_of", best_of), as_number("sigma", sigma, 0.0, float("inf"))
    if name == BEST:
        return best_of_all(instance)
    ranked = ties if name == LOWEST else name
    if best_of > 1 and name != RANDOM and not RULES[ranked].positive:
        known = ", ".join(key for key, rule in RULES.items() if rule.positive)
        raise InputError(
            f"rule {ranked!r}: its quantity is not always positive, so best_of cannot perturb it; use {known}"
        )
    rng = np.random.default_rng(seed)
    best: tuple[int, Any] | None = None
    for begin in range(0, best_of, CHUNK):
        count = min(CHUNK, best_of - begin)
        if name == RANDOM:
            orders = [rng.permutation(instance.n_buffers) for _ in range(count)]
        else:
            noise = sigma * rng.standard_normal((count, instance.n_buffers))
            orders = [order_of(ranked, instance, None if at + begin == 0 else noise[at]) for at in range(count)]
        offsets = pack_many(instance, orders, "first" if name == LOWEST else fit, by_offset=name == LOWEST)
        heights = heights_of(instance, offsets)
        at = int(heights.argmin())
        if best is None or heights[at] < best[0]:
            best = int(heights[at]), offsets[at]
    assert best is not None
    return Allocation(best[1], instance.digest)


@dataclass(frozen=True)
class RuleMethod:
    """A rule as the evaluator calls it."""

    name: str
    options: dict[str, Any]

    def solve(self, instance: AllocationInstance, *, objective: str, seed: int) -> Outcome:
        """Return the rule's packing, of the least height whatever the objective, and the number of decisions taken."""
        runs = 3 * len(RULES) if self.name == BEST else self.options.get("best_of", 1)
        allocation = run_rule(self.name, instance, seed=seed, **self.options)
        return Outcome(allocation, decisions=runs * int((instance.fixed < 0).sum()))

    def warm_up(self, instance: AllocationInstance, *, objective: str) -> None:
        """Load the compiled kernels."""
        self.solve(instance, objective=objective, seed=0)


def _options(name: str) -> dict[str, Option]:
    options = {
        "fit": Option(str, "first", "the lowest offset that is free, or the smallest gap", choices=FITS),
        "ties": Option(str, "area", "the rule by which equals are ordered", choices=tuple(RULES)),
        "best_of": Option(int, 1, "best of K runs, the first unperturbed", minimum=1),
        "sigma": Option(float, 0.1, "width of the normal noise on the logarithm of the rule's quantity", minimum=0.0),
    }
    if name == BEST:
        return {}
    left = {"fit"} if name == LOWEST else {"ties"}
    if name == RANDOM:
        left.add("sigma")
    elif name != LOWEST and not RULES[name].positive:
        left |= {"best_of", "sigma"}
    return {key: option for key, option in options.items() if key not in left}


def _method(name: str, about: str) -> MethodType:
    return MethodType("rule", name, "memory_allocation", about, _options(name), lambda given: RuleMethod(name, given))


METHODS = (
    *(_method(name, rule.about) for name, rule in RULES.items()),
    _method(LOWEST, "the buffer that can lie lowest first"),
    _method(BEST, "the lowest packing of all orders, with both fits and with the lowest first"),
    _method(RANDOM, "random order"),
)
