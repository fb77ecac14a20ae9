"""Fills ``{{ name argument … }}`` lines of the pages from the code, so that no table is kept by hand."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

DIRECTIVE = re.compile(r"^\{\{ (?P<name>[a-z_]+)(?P<arguments>( [^ {}]+)*) \}\}$", flags=re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace every directive of a page; an unknown one is an error."""
    return DIRECTIVE.sub(lambda match: DIRECTIVES[match["name"]](*match["arguments"].split()), markdown)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _code(value: object) -> str:
    return f"`{value}`"


def docstring(target: str) -> str:
    """Return the docstring of ``module:name``, headings one level down so that the page keeps its own."""
    from ganttlet.core.family import load_object

    text = inspect.cleandoc(load_object(target).__doc__)
    return re.sub(r"^#", "##", text, flags=re.MULTILINE)


def _graph(env_id: str, options: Sequence[str]) -> Any:
    import gymnasium as gym

    settings = dict(option.split("=", 1) for option in options)
    return gym.make(f"ganttlet:{env_id}", **settings).unwrapped.graph


def arrays(env_id: str, *options: str) -> str:
    """Return the arrays of an environment's observation."""
    rows = (
        (_code(block.key), block.shape, block.dtype.__name__, "yes" if block.static else "")
        for block in _graph(env_id, options).blocks()
    )
    return table(("key", "shape", "dtype", "fixed within an episode"), rows)


def features(env_id: str, *options: str) -> str:
    """Return the columns of those arrays."""
    rows = (
        (_code(key), _code(feature.name), f"{feature.low:g} … {feature.high:g}", feature.about)
        for key, columns in _feature_lists(_graph(env_id, options))
        for feature in columns
    )
    return table(("array", "feature", "range", "meaning and unit"), rows)


def _feature_lists(graph: Any) -> list[tuple[str, Any]]:
    found = []
    for node in graph.nodes:
        found += [(node.name, node.features), (f"{node.name}_static", node.static_features)]
    return [*found, *((edge.name, edge.features) for edge in graph.edges), ("context", graph.context)]


def objectives(family: str) -> str:
    """Return a family's objectives."""
    from ganttlet.core.family import get_family

    rows = ((_code(o.name), o.sense, o.unit, o.description) for o in get_family(family).objectives.values())
    return table(("objective", "sense", "unit", "meaning"), rows)


def presets(family: str) -> str:
    """Return a family's presets."""
    from ganttlet.core.family import get_family

    rows = (
        (_code(name), ", ".join(_code(f"{key}={value!r}") for key, value in options.items()))
        for name, options in get_family(family).presets.items()
    )
    return table(("preset", "stands for"), rows)


def generators(family: str) -> str:
    """Return a family's generators."""
    from ganttlet.core.family import get_family

    rows = ((_code(name), about) for name, about in get_family(family).generators.items())
    return table(("generator", "draws"), rows)


def data_sets(family: str) -> str:
    """Return the outside instance files a family reads."""
    from ganttlet.core.family import get_family

    rows = ((s.name, s.count, s.origin, s.licence, _code(s.files)) for s in get_family(family).data_sets)
    return table(("set", "files", "origin", "licence", "looked for under `GANTTLET_DATA`"), rows)


def methods(family: str, kind: str) -> str:
    """Return a family's methods of a kind."""
    from ganttlet_agents.evaluation.methods import method_types

    rows = (
        (_code(method.pattern), method.about, ", ".join(_code(name) for name in method.options))
        for method in method_types(family)
        if method.kind == kind
    )
    return table(("method", "what it does", "options"), rows)


def method_options(family: str, kind: str) -> str:
    """Return the options of a family's methods of a kind, each once."""
    from ganttlet_agents.evaluation.methods import method_types

    found = {name: o for m in method_types(family) if m.kind == kind for name, o in m.options.items()}
    rows = ((_code(name), _code(_text(o.default)), o.expected(), o.about) for name, o in found.items())
    return table(("option", "default", "accepts", "meaning"), rows)


def _text(value: object) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def suites() -> str:
    """Return the suites that come with the package."""
    from ganttlet_agents.config import config_names
    from ganttlet_agents.evaluation.suite import load_suite

    loaded = [load_suite(name) for name in config_names("suites")]
    return table(
        ("suite", "family", "objectives", "what it measures"),
        ((_code(suite.name), suite.family, ", ".join(suite.objectives), suite.about) for suite in loaded),
    )


def train_presets(family: str) -> str:
    """Return a family's training presets: what their first line says, and their budgets."""
    from ganttlet_agents.config import config_names, config_root, load_config

    rows = []
    for name in config_names(f"train/{family}"):
        data = load_config(f"train/{family}", name).data
        text = config_root().joinpath("train", family, f"{name}.yaml").read_text(encoding="utf-8")
        limit = f"{data['time_limit']:,} s" if data.get("time_limit") else ""
        rows.append((_code(name), text.splitlines()[0].lstrip("# "), f"{data['n_timesteps']:,}", limit))
    return table(("preset", "what it is", "decisions, at most", "seconds, at most"), rows)


def train_settings() -> str:
    """Return the settings of a training run with their defaults, nested ones included."""
    from ganttlet_agents.training.config import TrainConfig

    return table(("setting", "default", "meaning"), _setting_rows(TrainConfig, None, ""))


def _setting_rows(cls: Any, defaults: Any, path: str) -> list[tuple[str, str, str]]:
    """Return a row for each field of a dataclass, followed by those of what is nested in it."""
    import dataclasses

    from ganttlet_agents.settings import default_of

    about, rows = _attribute_texts(cls), []
    for field in dataclasses.fields(cls):
        value = default_of(field) if defaults is None else getattr(defaults, field.name)
        nested = dataclasses.is_dataclass(value)
        shown = "" if nested or value is dataclasses.MISSING else _code(_text(value))
        rows.append((_code(path + field.name), shown, about[field.name]))
        if nested:
            rows += _setting_rows(type(value), value, f"{path}{field.name}.")
    return rows


def progress_columns() -> str:
    """Return the columns of progress.csv."""
    from ganttlet_agents.training.folder import COLUMNS

    return table(("column", "meaning and unit"), ((_code(name), about) for name, about in COLUMNS.items()))


def _attribute_texts(cls: Any) -> dict[str, str]:
    """Return field -> the string that stands below it in the class."""
    import ast

    (node,) = ast.parse(inspect.cleandoc(inspect.getsource(cls))).body
    found = {}
    for field, below in itertools.pairwise(node.body):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(field.target)] = str(below.value.value)
    return found


FUNCTIONS = (
    docstring,
    arrays,
    features,
    objectives,
    presets,
    generators,
    data_sets,
    methods,
    method_options,
    suites,
    train_presets,
    train_settings,
    progress_columns,
)
DIRECTIVES: dict[str, Callable[..., str]] = {function.__name__: function for function in FUNCTIONS}
