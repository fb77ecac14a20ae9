"""What a method is, and how a text such as ``rule:spt:timing=active,solver:cpsat:time=10`` names one.

A method is written ``kind:name:key=value:…``; several are separated by commas or spaces. A name may be a path, with
slashes, backslashes and colons, but has no ``=``, comma or space. Method types come from the sequences listed in
``BUILT_IN`` and from those that installed packages export under the entry-point group ``ganttlet.methods``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol

from ganttlet.core.errors import InputError
from ganttlet.core.family import Family, load_object
from ganttlet.core.record import Instance, Solution

GROUP = "ganttlet.methods"
BUILT_IN = (
    "ganttlet_agents.rules:METHODS",
    "ganttlet_agents.solvers:METHODS",
    "ganttlet_agents.policy.methods:METHODS",
    "ganttlet_agents.search.portfolio:METHODS",
    "ganttlet_agents.evaluation.user_methods:METHODS",
)
ANY_FAMILY = "*"
ANY_NAME = "*"

Information = Literal["causal", "clairvoyant"]
Budgets = Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """What a method hands back for one instance.

    Fields:
        solution: the solution, or None if the method found none.
        bound: proven bound on the optimum of the objective, in the objective's unit, or None.
        optimal: True if the method claims that the solution is proven optimal.
        status: the method's own word on how it ended.
        decisions: number of decisions taken, 0 where the notion does not apply.
        simulated: number of simulator steps taken, 0 where they are not counted.
        latencies: seconds that each decision took, in order, where decisions are taken one by one; else empty.
    """

    solution: Solution | None
    bound: float | None = None
    optimal: bool = False
    status: str = ""
    decisions: int = 0
    simulated: int = 0
    latencies: Sequence[float] = ()


class Method(Protocol):
    """Anything that turns an instance into an outcome.

    A method may also have ``warm_up(instance, *, objective)``: the runner calls it once, untimed, before the
    first instance, so that loading compiled kernels does not count as solving time. And it may have ``settled``,
    a mapping: what it chose for options that were left to it, as a policy does by its checkpoint. And it may have
    ``stated``, a :class:`Stated`, which then stands in place of what its type says.
    """

    def solve(self, instance: Any, *, objective: str, seed: int) -> Outcome:
        """Return the outcome for the objective of that name; ``seed`` drives every random choice."""
        ...


@dataclass(frozen=True)
class Option:
    """One option of a method: type (int, float, str or bool), default, one line about it, what it accepts.

    A default of None makes ``none`` a legal value. ``minimum`` is the least number accepted; ``check`` is
    called with the parsed value and returns a sentence (or raises InputError) if it does not like it.
    """

    type: type
    default: Any
    about: str
    choices: tuple[Any, ...] | None = None
    check: Callable[[Any], str | None] | None = None
    minimum: float | None = None

    def parse(self, what: str, text: str) -> Any:
        """Return the value written as ``text``; raises InputError naming ``what`` and what was expected."""
        if self.default is None and text.lower() == "none":
            return None
        try:
            value = _READ[self.type](text)
        except (ValueError, KeyError):
            raise InputError(f"{what}: cannot read {text!r}; expected {self.expected()}") from None
        if self.choices is not None and value not in self.choices:
            raise InputError(f"{what}: unknown value {text!r}; expected {self.expected()}")
        if self.minimum is not None and value < self.minimum:
            raise InputError(f"{what}: {text} is too small; expected {self.expected()}")
        complaint = self.check(value) if self.check is not None else None
        if complaint:
            raise InputError(f"{what}: {complaint}")
        return value

    def expected(self) -> str:
        """Return what the option accepts, in words."""
        if self.choices is not None:
            words = "one of " + ", ".join(str(choice) for choice in self.choices)
        elif self.type is bool:
            words = "true or false"
        else:
            words = {int: "an integer", float: "a number", str: "a text"}[self.type]
            if self.minimum is not None:
                words += f" ≥ {self.minimum:g}"
        return words + (" or none" if self.default is None else "")


@dataclass(frozen=True)
class Stated:
    """What a user's own method says of itself, which its type cannot know.

    Fields:
        code: hash of the file that it was loaded from, part of the run's settings; empty if there is no file.
        deterministic: whether equal seeds repeat its solutions.
        information: ``causal`` or ``clairvoyant``.
        files: the file that it was loaded from, if there is one.
    """

    code: str
    deterministic: bool
    information: Information
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Further:
    """Options that a type takes beyond those it names: keys that begin with ``prefix``, and a line about them.

    A value is read as an integer, a finite number, true, false, none or a text, whichever fits first.
    """

    prefix: str
    about: str

    @property
    def pattern(self) -> str:
        """How such a key is listed."""
        return f"{self.prefix}KEY"

    def takes(self, key: str) -> bool:
        """Return whether a key is one of them."""
        return key.isidentifier() and key.startswith(self.prefix) and key != self.prefix


@dataclass(frozen=True)
class MethodType:
    """A kind of method that a family offers; plug-ins export a sequence of these.

    Fields:
        kind: ``rule``, ``solver``, ``search``, ``policy`` or a plug-in's own word.
        name: its name within the kind, or ``*``: the type is open and takes every name that no other of its kind has.
        family: the family it serves, or ``*`` for every family.
        about: one line for ``ganttlet evaluate list``.
        options: name -> Option, in the order in which labels print them.
        build: called with a value for every option, and by an open type also with the keywords ``name`` and
            ``family``; returns the method. What it raises stops a run before the first instance.
        spelling: of an open type: name -> its canonical spelling, so that a label does not depend on how it was typed.
        further: the options that it takes beyond ``options``, or None.
        deterministic: called with the same values; True if equal seeds give equal solutions on every run.
        information: ``clairvoyant`` if it uses an instance's hidden realisation, as a choice among several plays of
            the true one does; else ``causal``. Or a function of the options, with what the method settled, and
            the name of the family.
        budgets: kind of budget (``seconds``, ``decisions`` or simulator ``steps``) -> the option that limits a whole
            solve so. Or a function of the options given, as texts, and the name of the family.
    """

    kind: str
    name: str
    family: str
    about: str
    options: Mapping[str, Option]
    build: Callable[..., Method]
    deterministic: Callable[[dict[str, Any]], bool] = lambda options: True
    spelling: Callable[[str], str] = str
    further: Further | None = None
    information: Information | Callable[[dict[str, Any], str], Information] = "causal"
    budgets: Budgets | Callable[[Mapping[str, str], str], Budgets] = field(default_factory=dict)

    @property
    def pattern(self) -> str:
        """How it is written without options: ``kind:name``, or ``kind:NAME`` for an open type."""
        return f"{self.kind}:{'NAME' if self.name == ANY_NAME else self.name}"

    @property
    def keys(self) -> list[str]:
        """The options' names as they are listed, with ``KEY`` for any that it takes further."""
        return [*self.options, *([] if self.further is None else [self.further.pattern])]

    def called(self, name: str, family: str) -> MethodType:
        """Return an open type under the name it was given, for one family; other types as they are."""
        if self.name != ANY_NAME:
            return self
        name = self.spelling(name)
        return replace(self, name=name, family=family, build=partial(self.build, name=name, family=family))


@dataclass(frozen=True)
class BoundMethod:
    """A method type with its options filled in; ``label``, its canonical text, names every changed option.

    ``budget`` tells which options a budget has filled in: its kind -> the option.
    """

    label: str
    type: MethodType
    options: Mapping[str, Any]
    method: Method = field(repr=False, compare=False)
    budget: Budgets = field(default_factory=dict, compare=False)

    @property
    def deterministic(self) -> bool:
        """True if the method repeats exactly under an equal seed."""
        if (stated := self._stated) is not None:
            return stated.deterministic
        return self.type.deterministic(dict(self.options))

    def information(self, family: str) -> Information:
        """Return whether the method knows more of that family's instances than a real one could."""
        if (stated := self._stated) is not None:
            return stated.information
        given = self.type.information
        if not callable(given):
            return given
        return given({**self.options, **getattr(self.method, "settled", {})}, family)

    @property
    def code(self) -> str:
        """Hash of the user's file that the method was loaded from; empty for methods that come with a package."""
        return getattr(self.method, "code", "") if (stated := self._stated) is None else stated.code

    @property
    def files(self) -> tuple[str, ...]:
        """Files that the method was loaded from: a checkpoint, the user's code; none for what comes with a package."""
        return tuple(getattr(self.method, "files", ())) if (stated := self._stated) is None else stated.files

    @property
    def _stated(self) -> Stated | None:
        stated: Stated | None = getattr(self.method, "stated", None)
        return stated

    def solve(self, instance: Instance, *, objective: str, seed: int) -> Outcome:
        """Run the method."""
        return self.method.solve(instance, objective=objective, seed=seed)

    def warm_up(self, instance: Instance, *, objective: str) -> None:
        """Let the method load what it needs, if it has anything to load."""
        hook = getattr(self.method, "warm_up", None)
        if hook is not None:
            hook(instance, objective=objective)


def bind(method: MethodType, **options: Any) -> BoundMethod:
    """Fill in a method type from Python, options as values; raises InputError like :func:`parse_methods`.

    An open type is given its name first: ``bind(entry.called(name, family), …)``.
    """
    return _bind(method, {key: _text(value) for key, value in options.items()})


def parse_methods(
    text: str | Iterable[str], family: str | Family, budget: Mapping[str, float] | None = None
) -> list[BoundMethod]:
    """Return the methods named by ``text`` for a family, in order.

    ``budget``, kind -> limit, fills in the option for it in every method that has one and was not given it.

    Raises:
        InputError: for an unknown kind, name, option or value, naming the known ones; for a method twice.
    """
    pieces = [text] if isinstance(text, str) else list(text)
    words = [word for piece in pieces for word in piece.replace(",", " ").split()]
    if not words:
        raise InputError("methods: none given; expected for example rule:spt or solver:cpsat:time=10")
    name = family if isinstance(family, str) else family.name
    methods: list[BoundMethod] = []
    for word in words:
        method = _parse_one(word, name, budget or {})
        if any(method.label == other.label for other in methods):
            raise InputError(f"methods: {method.label} is given twice")
        methods.append(method)
    return methods


def method_types(family: str | None = None) -> list[MethodType]:
    """Return the known method types, of one family if it is named, sorted by kind and name."""
    types = [entry for entry in _registry() if family is None or entry.family in (ANY_FAMILY, family)]
    return sorted(types, key=lambda entry: (entry.kind, entry.name, entry.family))


@cache
def _registry() -> tuple[MethodType, ...]:
    points = {point.value: point.name for point in entry_points(group=GROUP)}
    targets = [*BUILT_IN, *(value for value in points if value not in BUILT_IN)]
    found: dict[tuple[str, str, str], tuple[MethodType, str]] = {}
    for target in targets:
        try:
            entries: Sequence[MethodType] = load_object(target)
        except Exception as error:
            if target in BUILT_IN:
                raise
            # One broken plug-in must not take the built-in methods away.
            warnings.warn(f"plug-in {points[target]} ({target}) is left out: {error}", RuntimeWarning, stacklevel=2)
            continue
        for entry in entries:
            if not isinstance(entry, MethodType):
                raise InputError(f"{target}: expected a sequence of MethodType, got {entry!r}")
            key = (entry.family, entry.kind, entry.name)
            if key in found:
                raise InputError(f"method {entry.kind}:{entry.name} is given by both {found[key][1]} and {target}")
            found[key] = (entry, target)
    return tuple(entry for entry, _ in found.values())


def _parse_one(word: str, family: str, budget: Mapping[str, float]) -> BoundMethod:
    pieces = word.split(":")
    first = next((i for i, piece in enumerate(pieces) if "=" in piece), len(pieces))
    kind, name, trailing = pieces[0], ":".join(pieces[1:first]), pieces[first:]
    if not kind or not name or not all("=" in piece for piece in trailing):
        raise InputError(f"method {word!r}: expected kind:name:key=value:…, for example rule:spt:timing=active")
    types = method_types(family)
    kinds = sorted({entry.kind for entry in types})
    if kind not in kinds:
        known = ", ".join(kinds) or "(none)"
        raise InputError(f"method {word!r}: unknown kind {kind!r} for {family}; expected one of {known}")
    of_kind = {entry.name: entry for entry in types if entry.kind == kind}
    entry = of_kind.get(name) or of_kind.get(ANY_NAME)
    if entry is None:
        raise InputError(f"method {word!r}: unknown {kind} {name!r}; expected one of {', '.join(of_kind)}")
    given: dict[str, str] = {}
    for piece in trailing:
        key, _, value = piece.partition("=")
        if key in given:
            raise InputError(f"method {word!r}: option {key!r} is given twice")
        given[key] = value
    options = entry.budgets(given, family) if callable(entry.budgets) else entry.budgets
    filled = {kind: options[kind] for kind in budget if kind in options and options[kind] not in given}
    given |= {option: _text(budget[kind]) for kind, option in filled.items()}
    return replace(_bind(entry.called(name, family), given), budget=filled)


def _bind(method: MethodType, given: Mapping[str, str]) -> BoundMethod:
    what = f"{method.kind}:{method.name}"
    if method.name == ANY_NAME:
        raise InputError(f"method {what}: expected a name in place of {ANY_NAME}")
    further = sorted(key for key in given if key not in method.options)
    for key in further:
        if method.further is None or not method.further.takes(key):
            known = ", ".join(method.keys) or "(it has no options)"
            raise InputError(f"method {what}: unknown option {key!r}; expected one of {known}")
    values = {
        key: option.parse(f"method {what} option {key!r}", given[key]) if key in given else option.default
        for key, option in method.options.items()
    }
    trailing = [
        f":{key}={_text(values[key])}" for key, option in method.options.items() if values[key] != option.default
    ]
    for key in further:
        values[key] = _read_plain(given[key])
        # A number keeps its point: the label has to read back as a value of the same type.
        trailing.append(f":{key}={values[key] if isinstance(values[key], float) else _text(values[key])}")
    return BoundMethod(what + "".join(trailing), method, values, method.build(dict(values)))


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _read_plain(text: str) -> Any:
    """Return a value that no option describes: an int, a finite float, a bool, None or a text, whichever fits first."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for read in (int, _read_float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _read_bool(text: str) -> bool:
    return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]


def _read_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _read_str(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


_READ: dict[type, Callable[[str], Any]] = {
    int: int,
    float: _read_float,
    bool: _read_bool,
    str: _read_str,
}
