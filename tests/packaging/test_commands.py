"""Every figure and every table of results stands beside the command that makes it, and that command exists."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from ganttlet_agents.cli.commands import EvaluateCommand

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in sorted(PAGES.items())}
SUBCOMMANDS = {option.__metadata__[0].name for option in get_args(EvaluateCommand)}
TARGETS = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
FENCE = re.compile(r"(?ms)^ *```.*?^ *```")
IMAGE = re.compile(r"!\[[^\]]*\]\((?P<target>[^)]+)\)")
REGION = re.compile(r"<!-- (?P<name>\w+):start -->\n(?P<body>.*?)<!-- (?P=name):end -->", re.DOTALL)
COMMAND = re.compile(r"`(?P<words>(?:python (?:\S+\.py)|make)\b[^`]*)`")
NUMBER = re.compile(r"[-+±*]*\d[\d,]*(\.\d+)?( ?[%×])?\**")


def sections(text: str) -> Iterator[str]:
    """Yield what stands between two headings of any level, headings left out."""
    plain = FENCE.sub(lambda match: re.sub(r"(?m)^#", " ", match[0]), text)
    yield from re.split(r"(?m)^#+ .*$", plain)


def commands(text: str) -> list[list[str]]:
    """Return the commands of a text that are written as code, words apart; those of code blocks too."""
    blocks = [line for block in FENCE.findall(text) for line in block.splitlines()]
    spans = [match["words"] for match in COMMAND.finditer(FENCE.sub("", text))]
    return [line.split() for line in (*spans, *(line.strip() for line in blocks)) if COMMAND.fullmatch(f"`{line}`")]


def exists(words: list[str]) -> bool:
    """Return whether a command's script, subcommand or target is there."""
    if words[0] == "make":
        return words[1] in TARGETS
    if words[1] == "evaluate.py":
        return set(words[2:3]) <= SUBCOMMANDS | {"…"}
    return (ROOT / words[1]).is_file()


def draws(words: list[str], image: str) -> bool:
    """Return whether a command writes the picture: a curve of that name, or a script whose docstring says so.

    Capitals there stand for names.
    """
    if words[0] == "make" or not words[1].startswith("benchmarks/"):
        curve = words[1:3] == ["evaluate.py", "curve"] and bool({Path(image).stem, "--all"} & set(words[3:]))
        return curve or (words == ["make", "demo"] and image == "report.png")
    says = (ROOT / words[1]).read_text(encoding="utf-8").split('"""')[1]
    names = re.findall(r"docs/images/(\w+\.png)", says)
    return any(re.fullmatch(re.sub(r"[A-Z]+", r"\\w+", name), image) for name in names)


def named(cases: list[tuple[str, str, str]]) -> list[Any]:
    """Return cases for parametrize with short names."""
    return [pytest.param(*case, id=f"{case[0]}-{case[1]}") for case in cases]


def pictures() -> list[tuple[str, str, str]]:
    return [
        (name, Path(match["target"]).name, section)
        for name, text in TEXTS.items()
        for section in sections(text)
        for match in IMAGE.finditer(section)
    ]


def regions() -> list[tuple[str, str, str]]:
    return [(name, match["name"], match["body"]) for name, text in TEXTS.items() for match in REGION.finditer(text)]


@pytest.mark.parametrize(("page", "image", "section"), named(pictures()))
def test_a_picture_has_its_command_in_its_section(page: str, image: str, section: str) -> None:
    assert any(draws(words, image) for words in commands(section)), f"{page}: which command draws {image}?"


def test_every_picture_is_shown() -> None:
    shown = {image for _, image, _ in pictures()}
    assert shown == {path.name for path in (ROOT / "docs" / "images").rglob("*") if path.is_file()}


@pytest.mark.parametrize(("page", "region", "body"), named(regions()))
def test_a_table_of_results_says_what_made_it(page: str, region: str, body: str) -> None:
    made = re.search(r"[Mm]ade by (`.*)", body)
    assert made is not None, f"{page}: region {region} names no command"
    found = commands(made[1])
    assert found
    assert [words for words in found if not exists(words)] == []


@pytest.mark.parametrize("page", TEXTS)
def test_every_command_in_a_sentence_exists(page: str) -> None:
    assert [words for words in commands(TEXTS[page]) if not exists(words)] == []


@pytest.mark.parametrize("page", TEXTS)
def test_no_table_of_numbers_is_typed_by_hand(page: str) -> None:
    """A row outside the marks in which two cells or more are bare numbers would be one."""
    rest = FENCE.sub("", REGION.sub("", TEXTS[page]))
    rows = [line for line in rest.splitlines() if line.startswith("|")]
    numbers = {row: [cell for cell in row.strip("| ").split("|") if NUMBER.fullmatch(cell.strip())] for row in rows}
    assert [row for row, found in numbers.items() if len(found) > 1] == []


def test_what_does_not_exist_is_found() -> None:
    """The control: a wrong script, subcommand and target are all refused, and a right one of each is not."""
    right = "`python benchmarks/pods.py --quick`, `python evaluate.py run --suite taillard`, `make demo`"
    wrong = "`python benchmarks/no.py`, `python evaluate.py walk`, `make nothing`"
    assert [exists(words) for words in commands(right)] == [True] * 3
    assert [exists(words) for words in commands(wrong)] == [False] * 3
    assert draws(["python", "benchmarks/pods.py"], "pods.png")
    assert not draws(["python", "benchmarks/pods.py"], "memory_map.png")
    assert draws(["python", "evaluate.py", "curve", "job_shop_size", "--quick"], "job_shop_size.png")
    assert not draws(["python", "evaluate.py", "curve", "job_shop_size"], "vm_fr_mnl.png")
