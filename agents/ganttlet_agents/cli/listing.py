"""``ganttlet evaluate list``: everything that can be named on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.family import Family, family_names, get_family
from ganttlet_agents.config import config_names
from ganttlet_agents.evaluation.methods import MethodType, Option, method_types
from ganttlet_agents.evaluation.suite import load_suite
from ganttlet_agents.evaluation.tables import make_console, plain_table

SECTIONS = ("envs", "methods", "suites", "presets", "generators")


@dataclass(frozen=True)
class List:
    """List environments, methods (rules, solvers, …) with their options, suites, presets and generators."""

    only: tuple[str, ...] = ()
    """Sections to show: envs, methods (or one kind, such as rule), suites, presets, generators."""
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
            console.print(_envs(families))
        for kind in kinds:
            if self._shows("methods") or kind in self.only:
                found = [entry for entry in method_types(self.family) if entry.kind == kind]
                if found:
                    console.print(_methods(kind, found))
        if self._shows("suites"):
            console.print(_suites([family.name for family in families]))
        if self._shows("presets"):
            console.print(_presets(families))
        if self._shows("generators"):
            console.print(_generators(families))
        return 0

    def _shows(self, section: str) -> bool:
        return not self.only or section in self.only


def _envs(families: list[Family]) -> Any:
    rows = [
        (env_id, family.name, ", ".join(family.objectives))
        for family in families
        for env_id in family.env_ids
    ]
    return plain_table("environments", ("id", "family", "objectives"), rows)


def _methods(kind: str, found: list[MethodType]) -> Any:
    rows = [
        (
            f"{entry.kind}:{entry.name}",
            entry.family,
            entry.about,
            "\n".join(_option(name, option) for name, option in entry.options.items()),
        )
        for entry in found
    ]
    return plain_table(f"{kind}s", ("method", "family", "about", "options"), rows)


def _option(name: str, option: Option) -> str:
    default = "none" if option.default is None else str(option.default).lower()
    choices = f" of {', '.join(map(str, option.choices))}" if option.choices else ""
    return f"{name}={default}{choices}: {option.about}"


def _suites(families: list[str]) -> Any:
    rows = []
    for name in config_names("suites"):
        try:
            suite = load_suite(name)
        except InputError as error:
            rows.append((name, "?", "", str(error)))
            continue
        if suite.family in families:
            count = sum(len(entries) for entries in suite.groups.values())
            rows.append((name, suite.family, str(count), suite.about))
    return plain_table("suites", ("suite", "family", "instances", "about"), rows)


def _presets(families: list[Family]) -> Any:
    rows = [
        (name, family.name, ", ".join(f"{key}={value}" for key, value in settings.items()))
        for family in families
        for name, settings in family.presets.items()
    ]
    return plain_table("presets", ("preset", "family", "environment arguments"), rows)


def _generators(families: list[Family]) -> Any:
    rows = [(name, family.name, about) for family in families for name, about in family.generators.items()]
    return plain_table("generators", ("generator", "family", "draws"), rows)
