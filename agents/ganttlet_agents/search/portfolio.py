"""``search:portfolio``: several methods on the same instance, of which the best result counts; it never regresses.

Members are separated by ``+``, each written as a method with ``~`` in place of ``:``, as in
``search:portfolio:members=msa_best+greedy+search~evolution~budget=2000``. The kind may be left out where a name is
unambiguous. Every member has its own limits, so that their times add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet.core.family import family_names, get_family
from ganttlet_agents.evaluation.methods import (
    BoundMethod,
    Information,
    MethodType,
    Option,
    Outcome,
    method_types,
    parse_methods,
)


def parse_members(text: str | None, family: str) -> list[BoundMethod]:
    """Return the methods that ``text`` names.

    Raises:
        InputError: if there are none, a name is of no or of several kinds, or as :func:`parse_methods`.
    """
    if text is None:
        raise InputError("method search:portfolio: option 'members' is missing; expected methods such as greedy+spt")
    return parse_methods([_full(member, family) for member in text.split("+")], family)


def _full(member: str, family: str) -> str:
    pieces = member.split("~")
    types = method_types(family)
    if pieces[0] in {entry.kind for entry in types} and len(pieces) > 1 and "=" not in pieces[1]:
        return ":".join(pieces)
    kinds = [entry.kind for entry in types if entry.name == pieces[0]]
    if len(kinds) != 1:
        found = f"it may be {' or '.join(kinds)}" if kinds else "there is none of that name"
        raise InputError(
            f"method search:portfolio: member {member!r}: expected the name of one method of {family}, or its kind, "
            f"'~' and its name; {found}"
        )
    return ":".join([kinds[0], *pieces])


@dataclass(frozen=True)
class Portfolio:
    """The method ``search:portfolio`` of one family."""

    family: str
    members: list[BoundMethod]

    @property
    def settled(self) -> Mapping[str, Any]:
        """Whether a member knows more than a real method could."""
        return {"clairvoyant": any(member.information(self.family) == "clairvoyant" for member in self.members)}

    @property
    def code(self) -> str:
        """Hashes of the user's files among the members."""
        return "+".join(member.code for member in self.members if member.code)

    def solve(self, instance: Any, *, objective: str, seed: int) -> Outcome:
        """Return the best valid solution of the members, the first of equals, and the tightest bound.

        A member that fails, finds nothing or breaks a rule is left out, and the status says so.
        """
        family = get_family(self.family)
        sign = 1.0 if family.objectives[objective].sense == "min" else -1.0
        best, least, winner = None, 0.0, ""
        bound, optimal, decisions, simulated = None, False, 0, 0
        notes = []
        for member in self.members:
            try:
                outcome = member.solve(instance, objective=objective, seed=seed)
                if outcome.solution is None:
                    raise InputError(f"no solution ({outcome.status or 'no status'})")
                verdict = family.validate(instance, outcome.solution)
                if not verdict.feasible:
                    raise InputError(f"invalid solution: {verdict.violations[0].message}")
                value = sign * verdict.values[objective]
            except Exception as error:
                # As in the evaluator: what one member does wrong must not cost the others theirs.
                notes.append(f"{member.label} left out: {error}")
                continue
            if best is None or value < least:
                best, least, winner = outcome.solution, value, member.label
            if outcome.bound is not None and (bound is None or sign * outcome.bound > sign * bound):
                bound = outcome.bound
            optimal, decisions = optimal or outcome.optimal, decisions + outcome.decisions
            simulated += outcome.simulated
        status = "; ".join([f"best: {winner}" if winner else "no member found anything", *notes])
        return Outcome(best, bound, optimal, status, decisions, simulated)

    def warm_up(self, instance: Any, *, objective: str) -> None:
        """Let every member load what it needs; one that cannot will say so when it runs."""
        for member in self.members:
            try:
                member.warm_up(instance, objective=objective)
            except Exception:
                continue


def _information(options: Mapping[str, Any], family: str) -> Information:
    # A choice among several plays of one realisation is hindsight.
    hindsight = get_family(family).stochastic and "+" in (options["members"] or "")
    return "clairvoyant" if hindsight or options.get("clairvoyant") else "causal"


def _build(options: Mapping[str, Any], family: str) -> Portfolio:
    return Portfolio(family, parse_members(options["members"], family))


def _repeats(options: Mapping[str, Any], family: str) -> bool:
    return all(member.deterministic for member in parse_members(options["members"], family))


def _types() -> Iterator[MethodType]:
    for family in family_names():
        yield MethodType(
            kind="search",
            name="portfolio",
            family=family,
            about="best of several methods, never worse than any of them",
            options={
                "members": Option(str, None, "methods separated by +, with ~ for :, as in greedy+search~evolution")
            },
            build=partial(_build, family=family),
            deterministic=partial(_repeats, family=family),
            information=_information,
        )


METHODS = tuple(_types())
