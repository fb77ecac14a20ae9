"""Reads a curve from ``configs/curves/NAME.yaml``."""

from __future__ import annotations

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.family import get_family
from ganttlet_agents.config import load_config
from ganttlet_agents.evaluation.curves.published import load_published
from ganttlet_agents.evaluation.curves.spec import MEANS, Content, Curve
from ganttlet_agents.evaluation.suite import load_suite, make_suite
from ganttlet_agents.settings import build

KIND = "curves"
# Keys that a curve may give in place of a suite's name; they mean what they mean in a suite.
SUITE_KEYS = ("family", "objective", "objectives", "instances", "reference", "bounds", "seeds", "budget")


def load_curve(name: str) -> Curve:
    """Read a curve by name (``configs/curves/<name>.yaml``) or by path.

    Raises:
        InputError: naming the file and the key.
    """
    config = load_config(KIND, name)
    source = config.source
    own = {key: value for key, value in config.data.items() if key in SUITE_KEYS}
    content = build(Content, {key: value for key, value in config.data.items() if key not in SUITE_KEYS}, source)
    if content.learning is not None:
        family = own.pop("family", None)
        if content.suite or own or not isinstance(family, str):
            raise InputError(f"{source}: learning needs the key 'family' and no suite")
        suite = None
    elif content.suite:
        if own:
            raise InputError(f"{source}: keys 'suite' and {next(iter(own))!r} are both given; expected one of them")
        near = config.folder / content.suite if config.folder and content.suite.endswith((".yaml", ".yml")) else None
        suite = load_suite(str(near or content.suite))
        family = suite.family
    else:
        suite = make_suite(config.name, source, config.folder, {"about": content.about, **own})
        family = suite.family
    curve = Curve(config.name, source, content, get_family(family).name, suite)
    _check(curve)
    return curve


def _check(curve: Curve) -> None:
    """Raise InputError for names that the curve's file does not define."""
    content, source = curve.content, curve.file
    titles = [line.title for line in content.lines]
    for title in titles:
        if titles.count(title) > 1:
            raise InputError(f"{source}: lines: {title!r} is the name of two; give them different ones")
    check_choice(f"{source}: mean", content.mean, MEANS)
    if content.against:
        check_choice(f"{source}: against", content.against, titles)
    family = get_family(curve.family)
    if content.after is not None:
        check_choice(f"{source}: after: name", content.after.name, family.after)
    theirs = list(dict.fromkeys(point.line for point in load_published(content.published)))
    for line in content.lines:
        for name in line.published:
            check_choice(f"{source}: line {line.title!r}: published", name, theirs)
    levels = [level.title for level in content.learning.levels] if content.learning else []
    for at, panel in enumerate(content.panels, 1):
        for title in panel.lines:
            check_choice(f"{source}: panels, entry {at}: lines", title, [*titles, *levels, *theirs])
    for at, check in enumerate(content.checks, 1):
        for title in check.lines:
            names = [*titles, *levels, *theirs]
            check_choice(f"{source}: checks, entry {at}: {check.kind}", title, names)
    for what, budget in (("full", content.full), ("quick", content.quick)):
        for title in (*budget.without, *budget.methods):
            check_choice(f"{source}: {what}: line", title, titles)
        places = {place for line in content.lines for place in line.over} | set(
            content.after.over if content.after else ()
        )
        for place in budget.over:
            check_choice(f"{source}: {what}: over", place, places)
        for group in budget.groups:
            check_choice(f"{source}: {what}: groups", group, curve.suite.groups if curve.suite else ())
    if curve.suite is not None:
        for place, numbers in content.by_group.items():
            for group in numbers:
                check_choice(f"{source}: by_group: {place}", group, curve.suite.groups)
