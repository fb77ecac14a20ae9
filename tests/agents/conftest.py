"""A family of its own, unrelated to scheduling, so that the evaluator is shown to know none by name."""

import sys
import types
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import trials as trials_plugin
from ganttlet.core import family as core_family
from ganttlet.core.errors import InputError
from ganttlet.core.family import Family
from ganttlet.core.objective import Objective, ObjectiveSpec, Reference, Violation
from ganttlet.core.record import Instance, Solution, int_array
from ganttlet_agents.evaluation import methods
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome


@dataclass(frozen=True, eq=False)
class Sack(Instance):
    """Items of a size, each worth one; pack as many as the capacity allows."""

    family: ClassVar[str] = "sack"
    name: str
    size: object
    capacity: int

    def __post_init__(self):
        object.__setattr__(self, "size", int_array("size", self.size, 1))


@dataclass(frozen=True, eq=False)
class Packing(Solution):
    family: ClassVar[str] = "sack"
    unhashed: ClassVar[tuple[str, ...]] = ()
    take: object
    instance: str

    def __post_init__(self):
        object.__setattr__(self, "take", int_array("take", self.take, 1))


def validate(sack, packing):
    load = int((sack.size * packing.take).sum())
    if load > sack.capacity:
        return Objective(violations=(Violation("capacity", f"load {load} exceeds capacity {sack.capacity}"),))
    return Objective(values={"count": float(packing.take.sum()), "slack": float(sack.capacity - load)})


def generate(settings, seed):
    if settings["name"] != "uniform" or set(settings) - {"name", "items"}:
        raise InputError(f"generator: unknown settings {sorted(settings)}")
    size = np.random.default_rng(seed).integers(1, 9, settings["items"])
    return Sack(f"sack-{settings['items']}-{seed}", size, 2 * settings["items"])


def resolve(spec):
    if spec.endswith(".json"):
        return Sack.load(spec)
    names = {f"s{index:02d}": index for index in range(20)}
    if spec not in names:
        raise InputError(f"instance {spec!r}: unknown name")
    index = names[spec]
    return Sack(spec, np.arange(1, 5 + index), 10 + index)


def optimum(sack):
    return float((np.cumsum(np.sort(sack.size)) <= sack.capacity).sum())


def reference(sack, objective):
    if objective == "slack":
        return Reference(0.0, "bound", "trivial", 0.0)
    return Reference(optimum(sack), "optimal", "smallest first", optimum(sack))


class Pack:
    def __init__(self, how, fraction=1.0):
        self.how, self.fraction = how, fraction

    def solve(self, sack, *, objective, seed):
        n = len(sack.size)
        if self.how == "crash":
            raise ZeroDivisionError("no luck")
        if self.how == "nothing":
            return Outcome(None, status="gave up")
        if self.how == "foreign":
            return Outcome(solution=[1] * n)
        if self.how == "overload":
            return Outcome(Packing(np.full(n, 1), sack.digest))
        order = np.argsort(sack.size, kind="stable")
        if self.how == "random":
            order = np.random.default_rng(seed).permutation(n)
        fits = np.cumsum(sack.size[order]) <= self.fraction * sack.capacity
        take = np.zeros(n, int)
        take[order[fits]] = 1
        exact = self.how == "exact" and objective == "count"
        if self.how == "liar":
            return Outcome(Packing(take, sack.digest), bound=optimum(sack) - 1)
        return Outcome(
            Packing(take, sack.digest),
            bound=optimum(sack) if exact else None,
            optimal=exact,
            status="done",
            decisions=n,
        )


FRACTION = Option(float, 1.0, "share of the capacity used", minimum=0)
METHODS = [
    *(
        MethodType("rule", how, "sack", f"packs {how}", {}, lambda options, how=how: Pack(how))
        for how in ("random", "crash", "nothing", "foreign", "overload", "liar")
    ),
    MethodType(
        "rule",
        "smallest",
        "sack",
        "packs the smallest first",
        {
            "fraction": FRACTION,
            "rounds": Option(int, None, "number of rounds"),
            "tie": Option(str, "low", "which of equals", choices=("low", "high")),
            "quiet": Option(bool, False, "whether it is quiet"),
        },
        lambda options: Pack("smallest", options["fraction"]),
    ),
    MethodType("solver", "exact", "sack", "packs best", {}, lambda options: Pack("exact"), lambda options: False),
    MethodType("rule", "seer", "sack", "knows", {}, lambda options: Pack("smallest"), information="clairvoyant"),
]
FAMILY = Family(
    name="sack",
    env_ids=("test/Sack-v0",),
    instance=Sack,
    solution=Packing,
    objectives={
        "count": ObjectiveSpec("count", "max", "items", "number of items packed"),
        "slack": ObjectiveSpec("slack", "min", "", "capacity left"),
    },
    resolve=resolve,
    generate=generate,
    validate=validate,
    reference=reference,
    picture=lambda instance, solution, title: f"<svg><!-- {len(solution.take)} items --></svg>",
    generators={"uniform": "sizes 1 to 8"},
    presets={"plain": {"depth": 1}},
    beside={"count": ("slack",)},
    axes=lambda sack: {"items": float(len(sack.size))},
    after={"late": lambda sack, packing, seconds, options: {"count": float(packing.take.sum()) - options["delay"]}},
)


@pytest.fixture
def sack(monkeypatch):
    """Register the family and its methods for one test, and return this module's namespace."""
    module = types.ModuleType("sack_family")
    module.FAMILY, module.METHODS = FAMILY, METHODS
    monkeypatch.setitem(sys.modules, "sack_family", module)
    monkeypatch.setitem(core_family.BUILT_IN, "sack", "sack_family:FAMILY")
    monkeypatch.setattr(methods, "BUILT_IN", ("sack_family:METHODS",))
    monkeypatch.setattr(methods, "entry_points", lambda group: [])
    for cached in (core_family.get_family, methods._registry):
        cached.cache_clear()
    yield sys.modules[__name__]
    for cached in (core_family.get_family, methods._registry):
        cached.cache_clear()


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """Make the family ``one_machine`` and the methods of trial_methods.py known, to worker processes too."""
    paths = trials_plugin.install(tmp_path / "plugin")
    for path in reversed(paths):
        monkeypatch.syspath_prepend(path)
    trials_plugin.forget()
    yield paths
    trials_plugin.forget()
