"""``ganttlet evaluate list``: everything that can be named on the command line."""

from __future__ import annotations

from dataclasses import dataclass

from ganttlet.core.errors import check_choice
from ganttlet.core.family import Family, family_names, get_family
from ganttlet_agents.config import config_names
from ganttlet_agents.evaluation.curves.load import KIND, load_curve
from ganttlet_agents.evaluation.methods import MethodType, method_types
from ganttlet_agents.evaluation.suite import load_suite
from ganttlet_agents.evaluation.tables import make_console, print_texts
from ganttlet_agents.policy.shipped import shipped_names

OWN = {"python": "methods of your own", "rule-file": "rules of your own"}
Rows = list[tuple[str, ...]]
PLURALS = {"policy": "policies", "search": "searches"}
SECTIONS = ("envs", "methods", "suites", "curves", "presets", "generators")


@dataclass(frozen=True)
class List:
    """List environments, methods (rules, solvers, …) with their options, suites, curves, presets and generators."""

    only: tuple[str, ...] = ()
    """Sections to show: envs, methods (or one kind, such as rule), suites, curves, presets, generators."""
    family: str | None = None
    """Show one family only."""

    def run(self) -> int:
        """Print the sections."""
        kinds = list(dict.fromkeys(entry.kind for entry in method_types()))
        for section in self.only:
            check_choice("--only", section, (*SECTIONS, *kinds))
        families = [get_family(name) for name in ([self.family] if self.family else family_names())]
        console = make_console()
        if self._shows("envs"):
            print_texts(console, "environments", ("id", "family", "objectives"), _envs(families))
        for kind in kinds:
            found = [entry for entry in method_types(self.family) if entry.kind == kind]
            if found and (self._shows("methods") or kind in self.only):
                plural = (PLURALS | OWN).get(kind, f"{kind}s")
                print_texts(console, plural, ("method", "family", "about", "options"), _methods(found))
                if options := _options(found):
                    print_texts(console, f"options of {plural}", ("option", "default", "accepts", "about"), options)
                if kind == "policy" and (names := shipped_names()):
                    print_texts(console, "shipped policies", ("method",), [(f"policy:{name}",) for name in names])
        if self._shows("suites"):
            titles = ("suite", "family", "instances", "about")
            print_texts(console, "suites", titles, _suites([family.name for family in families]))
        if self._shows("curves"):
            print_texts(console, "curves", ("curve", "family", "about"), _curves([family.name for family in families]))
        if self._shows("presets"):
            print_texts(console, "presets", ("preset", "family", "environment arguments"), _presets(families))
        if self._shows("generators"):
            print_texts(console, "generators", ("generator", "family", "draws"), _generators(families))
        return 0

    def _shows(self, section: str) -> bool:
        return not self.only or section in self.only


def _envs(families: list[Family]) -> Rows:
    return [(env_id, family.name, ", ".join(family.objectives)) for family in families for env_id in family.env_ids]


def _methods(found: list[MethodType]) -> Rows:
    return [(entry.pattern, entry.family, entry.about, ", ".join(entry.keys)) for entry in found]


def _options(found: list[MethodType]) -> Rows:
    """Return a row per distinct option; methods of a kind mostly share theirs."""
    rows: Rows = []
    for entry in found:
        for name, option in entry.options.items():
            default = "none" if option.default is None else str(option.default).lower()
            row = (name, default, option.expected(), option.about)
            if row not in rows:
                rows.append(row)
        if entry.further is not None:
            rows.append(
                (entry.further.pattern, "", "an integer, number, true, false, none or text", entry.further.about)
            )
    return rows


def _suites(families: list[str]) -> Rows:
    rows: Rows = []
    for name in config_names("suites"):
        suite = load_suite(name)
        if suite.family in families:
            count = sum(len(entries) for entries in suite.groups.values())
            rows.append((name, suite.family, str(count), suite.about))
    return rows


def _curves(families: list[str]) -> Rows:
    found = [load_curve(name) for name in config_names(KIND)]
    return [(curve.name, curve.family, curve.content.about) for curve in found if curve.family in families]


def _presets(families: list[Family]) -> Rows:
    return [
        (name, family.name, ", ".join(f"{key}={value}" for key, value in settings.items()))
        for family in families
        for name, settings in family.presets.items()
    ]


def _generators(families: list[Family]) -> Rows:
    return [(name, family.name, about) for family in families for name, about in family.generators.items()]
