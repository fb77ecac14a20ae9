"""The text beside a picture: what was run, and where ours agrees with the published shape and where not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ganttlet_agents.evaluation.curves.agreement import Agreement, Closeness, Tested, short
from ganttlet_agents.evaluation.curves.points import Point
from ganttlet_agents.evaluation.curves.published import MARKS
from ganttlet_agents.evaluation.curves.spec import Curve


def describe(curve: Curve, agreement: Agreement, published: Sequence[Point], facts: dict[str, Any]) -> str:
    """Return the text as Markdown.

    Args:
        curve: cut to its budget.
        agreement: computed from its points.
        published: published points.
        facts: what stands at the end: command, budget, commit, device, …
    """
    content = curve.content
    parts = [f"# {curve.name}: {content.about}", ""]
    parts.append(
        f"Source of the curve: {content.source}." if content.source else "The curve is our own; nothing is published."
    )
    first, *rest = summary(curve, agreement)
    parts += ["", "## In short", "", first]
    parts += ["", *(line if line.startswith("- ") else f"- {line}" for line in rest)] if rest else []
    if agreement.tested:
        parts += [
            "",
            "## Properties",
            "",
            "| property | stated or shown by | published points | ours |",
            "|---|---|---|---|",
        ]
        parts += [_row(one) for one in agreement.tested]
    if agreement.close:
        parts += ["", "## Distance to the published points", ""]
        parts += [
            "| ours | published | places | mean difference | greatest | rank correlation |",
            "|---|---|--:|--:|--:|--:|",
        ]
        parts += [_distance(one) for one in agreement.close]
        parts += [
            "",
            "A line is held against its counterpart: the same method where it is published, else one of its kind.",
        ]
    for order in agreement.orders:
        words = f"Of {order.pairs} pairs of methods at equal {order.x}, {order.agreed} stand by {order.y} as published."
        parts += ["", words + (f" Not so: {'; '.join(order.others)}." if order.others else "")]
    if agreement.missing:
        parts += ["", f"Not run: {', '.join(agreement.missing)}."]
    sources = dict.fromkeys((point.place["mark"], point.place["source"]) for point in published)
    if sources:
        parts += ["", "## Published points", "", *(f"- {MARKS[mark]}: {source}" for mark, source in sources)]
    parts += ["", "## How it was made", "", *(_fact(name, value) for name, value in facts.items()), ""]
    return "\n".join(parts)


def _fact(name: str, value: Any) -> str:
    shown = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"- {name}: `{shown}`" if name == "command" else f"- {name}: {shown}"


def summary(curve: Curve, agreement: Agreement) -> list[str]:
    """Return the sentences that say whether ours has the published shape."""
    judged = [one for one in agreement.tested if one.ours is not None]
    if not agreement.tested:
        lines = ["No property is tested."]
    else:
        held = sum(one.ours.holds for one in judged if one.ours)
        lines = [
            f"{held} of {len(judged)} properties hold in ours"
            + (", as far as they could be tested." if len(judged) < len(agreement.tested) else ".")
        ]
    lines += [f"- Not in ours: {one.check.claim} ({one.ours.why})." for one in agreement.failed if one.ours]
    untested = [one.check.claim for one in agreement.tested if one.ours is None]
    if untested:
        lines.append(f"- Not tested, since a line is missing: {'; '.join(untested)}.")
    for order in agreement.orders:
        lines.append(f"- Order of methods by {order.y}: {order.agreed} of {order.pairs} pairs as published.")
    return lines


def _row(one: Tested) -> str:
    def said(verdict: Any) -> str:
        return "–" if verdict is None else f"{'holds' if verdict.holds else 'does not hold'} ({_cell(verdict.why)})"

    theirs = "–" if one.theirs is None else said(one.theirs)
    return f"| {_cell(one.check.claim)} | {_cell(one.check.source or 'ours')} | {theirs} | {said(one.ours)} |"


def _distance(one: Closeness) -> str:
    correlation = "–" if one.correlation is None else f"{one.correlation:.2f}"
    return (
        f"| {_cell(one.line)} | {_cell(one.published)} ({one.mark}) | {one.n} | {100 * one.mean:.1f} % | "
        f"{100 * one.worst:.1f} % at {short(one.worst_at)} | {correlation} |"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def as_data(agreement: Agreement) -> dict[str, Any]:
    """Return the agreement as plain data."""
    return {
        "checks": [
            {
                "claim": one.check.claim,
                "source": one.check.source,
                "ours": None if one.ours is None else {"holds": one.ours.holds, "why": one.ours.why},
                "published": None if one.theirs is None else {"holds": one.theirs.holds, "why": one.theirs.why},
            }
            for one in agreement.tested
        ],
        "close": [vars(one) for one in agreement.close],
        "orders": [{**vars(one), "others": list(one.others)} for one in agreement.orders],
        "missing": list(agreement.missing),
    }
