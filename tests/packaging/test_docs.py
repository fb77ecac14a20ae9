"""What the pages say can be done can be done: commands parse, targets and files exist, code runs."""

import ast
import re
import shlex
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from markdown.extensions.toc import slugify, unique

from ganttlet.core.family import family_names, get_family
from ganttlet_agents.cli.commands import parse
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.suite import load_instances, load_suite
from ganttlet_agents.programs.commands import parse as parse_programs
from ganttlet_agents.settings import plain
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.folder import COLUMNS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
BLOCK = re.compile(r"(?ms)^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<body>.*?)^(?P=indent)```")
SNIPPET = re.compile(r'--8<-- "(?P<path>[^":]+)')


def blocks(page: Path, language: str) -> list[str]:
    """Return the bodies of a page's fenced blocks, without those that are included from a file."""
    found = []
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if match["language"] == language and "--8<--" not in match["body"]:
            found.append(re.sub(rf"^{match['indent']}", "", match["body"], flags=re.M))
    return found


def commands(page: Path) -> list[list[str]]:
    lines = [line for body in blocks(page, "sh") for line in body.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def test_there_is_something_to_check() -> None:
    found = [command for page in PAGES for command in commands(page)]
    assert ["make", "demo"] in found
    assert any(command[:3] == ["python", "evaluate.py", "run"] for command in found)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_parse(page: Path) -> None:
    for command in commands(page):
        words = command[1:] if re.fullmatch(r"(.*/)?python3?", command[0]) else command
        if words[0] == "evaluate.py":
            parsed = parse(words[1:], "evaluate")
            if getattr(parsed, "methods", ()):
                named = parsed.instances[0].partition(":")[0] if parsed.instances else load_suite(parsed.suite).family
                assert parse_methods(parsed.methods, named)
        elif words[0] == "train.py":
            assert parse(words[1:], "train") is not None
        elif words[:2] == ["-m", "ganttlet_agents.programs"]:
            assert parse_programs(words[2:]) is not None
        elif words[0] == "ganttlet":
            assert parse(words[1:]) is not None


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M))
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?m)(?:`|^ *)make ([a-z-]+)", text))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_named_files_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    snippets = {match["path"] for match in SNIPPET.finditer(text)}
    links = {target for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", text) if target}
    missing = {path for path in snippets if not (ROOT / path).is_file()}
    missing |= {path for path in links if not (page.parent / path).exists()}
    assert missing == set()


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, those that come from docstrings included; repeated ones are numbered."""
    text = hooks().on_page_markdown(page.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in re.findall(r"(?m)^#+ +(.+?) *#*$", BLOCK.sub("", text)):
        unique(slugify(re.sub(r"[`*]|\]\([^)]*\)", "", heading), "-"), found)
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_anchors_of_links_exist(page: Path) -> None:
    """MkDocs checks those of its own pages; README.md is none of them, and is read on its own."""
    links = re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", BLOCK.sub("", page.read_text(encoding="utf-8")))
    assert [link for link in links if link[1] not in anchors((page.parent / link[0]) if link[0] else page)] == []


FAMILY_PAGES = sorted((ROOT / "docs" / "environments").glob("*.md"))
HEADINGS = ["What is reconstructed", "What differs from the papers", "Sources"]


@pytest.mark.parametrize("page", FAMILY_PAGES, ids=lambda page: page.stem)
def test_a_family_page_says_what_is_built_and_how_its_sources_are_known(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    family = get_family(page.stem)
    for env_id in family.env_ids:
        assert f"`{env_id}`" in text
    shown = re.findall(r"\{\{ docstring (\S+):\w+Env \}\}", text)
    assert len(shown) == len(family.env_ids)
    assert [name for name in re.findall(r"(?m)^## (.+)$", text) if name in HEADINGS] == HEADINGS
    assert "| how it is known |" in text.partition("## Sources\n")[2]


def test_every_family_has_a_page() -> None:
    assert {page.stem for page in FAMILY_PAGES} == set(family_names())


PART = re.compile(r"`((?:agents|benchmarks|configs|docs|envs|examples|tests)/[\w./-]+)`")
GROUPS = {"ganttlet.families", "ganttlet.methods"}  # of entry points
DOTTED = re.compile(r"`(ganttlet(?:_agents)?(?:\.\w+)+)`")


def is_there(dotted: str) -> bool:
    """Return whether a dotted name is a module, or what a module has."""
    head, _, name = dotted.rpartition(".")
    try:
        return find_spec(dotted) is not None or hasattr(import_module(head), name)
    except ModuleNotFoundError:
        return hasattr(import_module(head), name)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_and_names_in_sentences_exist(page: Path) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert [name for name in PART.findall(text) if not (ROOT / name).exists()] == []
    assert [name for name in set(DOTTED.findall(text)) - GROUPS if not is_there(name)] == []


def test_every_example_is_shown() -> None:
    shown = {match["path"] for page in PAGES for match in SNIPPET.finditer(page.read_text(encoding="utf-8"))}
    examples = {path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").glob("*.py")}
    assert examples
    assert examples <= shown


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_code_runs(page: Path) -> None:
    """Blocks that are part of an example are run by that example's test."""
    examples = [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
    for body in blocks(page, "python"):
        if not any(body.strip() in example for example in examples):
            ast.parse(body)
            exec(compile(body, str(page), "exec"), {"__name__": "__main__"})


def test_the_suite_on_the_page_can_be_read(tmp_path: Path) -> None:
    (body,) = blocks(ROOT / "docs" / "evaluate.md", "yaml")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one.txt").write_text("1 1\n0 5\n", encoding="utf-8")
    body = body.replace('"la01..la05:due_factor=1.5", ', "")
    (tmp_path / "suite.yaml").write_text(body, encoding="utf-8")
    suite = load_suite(str(tmp_path / "suite.yaml"))
    assert len(parse_methods(suite.methods, suite.family)) == len(suite.methods) > 1
    found = load_instances(suite)
    assert [entry.group for entry in found] == ["small"] * 10 + ["classical"] * 2
    assert all(entry.instance.due is not None for entry in found)


def hooks() -> ModuleType:
    """Return docs/hooks.py, which belongs to no package."""
    spec = spec_from_file_location("docs_hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells(text: str) -> list[list[str]]:
    """Return the cells of a Markdown table's rows, without its head."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()[2:]]


def paths(data: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in data.items():
        found += [prefix + key, *(paths(value, f"{prefix}{key}.") if isinstance(value, dict) else [])]
    return found


def test_every_setting_of_training_is_listed_with_its_meaning() -> None:
    rows = cells(hooks().train_settings())
    assert [row[0].strip("`") for row in rows] == paths(plain(TrainConfig("ID")))
    assert [row[0] for row in rows if not row[2]] == []
    shown = {row[0].strip("`"): row[1] for row in rows}
    assert (shown["network.width"], shown["ppo.clip_range.profile"]) == ("`64`", "`constant`")


def test_every_column_of_progress_is_listed_with_its_meaning() -> None:
    module = hooks()
    rows = cells(module.progress_columns())
    assert [row[0].strip("`") for row in rows] == list(COLUMNS)
    assert all(row[1] for row in rows)
    assert "{{ progress_columns }}" in (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
    assert module.progress_columns() in module.on_page_markdown("{{ progress_columns }}")
