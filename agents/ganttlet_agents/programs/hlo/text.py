"""The text of an HLO module as objects: computations, instructions, shapes. Every error names the line.

Of the grammar this reads what compilers print, with or without % before names and shapes before operands: comments such
as ``/*index=5*/``, nested tuples, layouts with tiles, values over several lines. Tables of source locations are passed
over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from ganttlet.core.errors import InputError

TABLES = ("FileNames", "FunctionNames", "FileLocations", "StackFrames")
STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/', re.DOTALL)
QUOTED_OR_BRACKET = re.compile(r'"(?:\\.|[^"\\])*"|[][(){},]')
ARRAY = re.compile(r"(?P<type>[a-z][a-z0-9]*)\[(?P<sides>[0-9,<= ]*)\](?P<layout>\{[^{}]*\})?")
TYPE = re.compile(r"(?:bf|f|s|u|c)(?P<bits>[0-9]+)\w*|pred", re.ASCII)
NAME = re.compile(r"%?(?P<name>[\w.-]+)")
HEAD = re.compile(r"(?P<entry>ENTRY\s+)?%?(?P<name>[\w.-]+)\s*(\(.*\)\s*->.*)?\{\s*$", re.DOTALL)
INSTRUCTION = re.compile(r"(?P<root>ROOT\s+)?%?(?P<name>[\w.-]+)\s*=\s*")
OPCODE = re.compile(r"\s*(?P<opcode>[a-z][\w-]*)\s*\(")
OPENING, CLOSING = "([{", ")]}"


@dataclass(frozen=True)
class Shape:
    """An array's type and sides, or a tuple of shapes."""

    type: str
    """Such as f32; "tuple", or "token" for what orders instructions and holds nothing."""
    sides: tuple[int, ...] = ()
    parts: tuple[Shape, ...] = ()

    @property
    def elements(self) -> int:
        """Number of elements of an array; 0 for others."""
        return 0 if self.type in ("tuple", "token", "opaque") else math.prod(self.sides)

    @property
    def bits(self) -> int:
        """Bits of an element."""
        match = TYPE.fullmatch(self.type)
        return int(match["bits"] or 8) if match else 0

    @property
    def is_float(self) -> bool:
        """Whether elements are real floating-point numbers."""
        return self.type.startswith(("f", "bf"))


@dataclass(frozen=True)
class Instruction:
    """One line of a computation."""

    name: str
    opcode: str
    shape: Shape
    operands: tuple[str, ...]
    """Names of instructions; for a parameter or a constant what stands in the brackets."""
    attributes: Mapping[str, str]
    """Such as ``{"dimensions": "{1,2}"}``, values as they stand."""
    line: int

    def fail(self, what: str) -> NoReturn:
        """Raise InputError for this instruction."""
        raise InputError(f"line {self.line}: instruction {self.name!r} ({self.opcode}) {what}")

    def integers(self, key: str) -> tuple[int, ...]:
        """Return an attribute such as ``{1,2}``; empty if it is not there."""
        text = self.attributes.get(key, "{}")
        if not re.fullmatch(r"\{\s*([0-9]{1,9}(\s*,\s*[0-9]{1,9})*)?\s*\}", text, re.ASCII):
            self.fail(f"has {key}={text}; expected numbers in braces")
        return tuple(int(number) for number in re.findall("[0-9]+", text))


@dataclass(frozen=True)
class Computation:
    """Instructions in the order of the text, by name."""

    name: str
    instructions: Mapping[str, Instruction]
    root: Instruction
    parameters: tuple[Instruction, ...]
    """By their numbers."""


@dataclass(frozen=True)
class Module:
    """A whole text."""

    name: str
    is_scheduled: bool
    computations: Mapping[str, Computation]
    entry: Computation


def parse(text: str) -> Module:
    """Return the module that a text describes.

    Raises:
        InputError: naming the line and what was expected.
    """
    lines = _without_comments(text).split("\n")
    first = next((number for number, line in enumerate(lines, 1) if line.strip()), 1)
    match = re.match(r"HloModule\s+([^\s,]+)(.*)", lines[first - 1].strip())
    if match is None:
        raise InputError(f"line {first}: expected HloModule and a name, found {_shown(lines[first - 1])}")
    computations: dict[str, Computation] = {}
    entry = None
    statements = _statements(lines, first)
    for number, statement in statements:
        head = HEAD.fullmatch(statement)
        if head is None:
            raise InputError(f"line {number}: expected the head of a computation, found {_shown(statement)}")
        if head["name"] in computations:
            raise InputError(f"line {number}: computation {head['name']!r} is there twice")
        computations[head["name"]] = _computation(head["name"], number, statements)
        if head["entry"]:
            if entry is not None:
                raise InputError(f"line {number}: expected one ENTRY computation, found another")
            entry = computations[head["name"]]
    if entry is None:
        raise InputError(f"line {len(lines)}: the text ends without an ENTRY computation")
    return Module(match[1], "is_scheduled=true" in match[2], computations, entry)


def _without_comments(text: str) -> str:
    """Return the text without comments; lines keep their numbers."""
    text = text.replace("\r\n", "\n")
    return STRING_OR_COMMENT.sub(lambda m: m[0] if m[0][0] == '"' else "\n" * m[0].count("\n"), text)


def _statements(lines: list[str], first: int) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of heads, instructions and closing braces; brackets may stay open over lines."""
    inside, table, pending, began, depth = False, False, "", 0, 0
    for number, line in enumerate(lines[first:], first + 1):
        stripped = line.strip()
        if not pending:
            if not stripped:
                continue
            if not inside:
                table = stripped in TABLES or (table and stripped[0].isdigit())
                if table:
                    continue
            began, depth = number, 0
        pending = f"{pending} {stripped}" if pending else stripped
        depth += _balance(line)
        if not inside and depth == 1 and stripped.endswith("{"):
            inside = True
        elif inside and began == number and stripped.startswith("}"):
            inside = False
        elif depth > 0:
            continue
        yield began, pending
        pending = ""
    if pending:
        raise InputError(f"line {began}: brackets stay open to the end of the text")


def _balance(text: str) -> int:
    """Return opening less closing brackets outside strings."""
    found = [match[0] for match in QUOTED_OR_BRACKET.finditer(text)]
    return sum((mark in OPENING) - (mark in CLOSING) for mark in found)


def _computation(name: str, line: int, statements: Iterator[tuple[int, str]]) -> Computation:
    """Read the instructions of a computation up to its closing brace."""
    found: dict[str, Instruction] = {}
    root = None
    for number, statement in statements:
        if statement.startswith("}"):
            break
        is_root, instruction = _instruction(statement, number)
        if instruction.name in found:
            raise InputError(f"line {number}: instruction {instruction.name!r} is there twice in {name!r}")
        if instruction.opcode not in ("parameter", "constant"):
            for operand in instruction.operands:
                if operand not in found:
                    instruction.fail(f"reads {operand!r}, which no line of {name!r} above it defines")
        if is_root and root is not None:
            instruction.fail(f"is a second ROOT of {name!r}")
        found[instruction.name] = instruction
        root = instruction if is_root else root
    else:
        raise InputError(f"line {line}: computation {name!r} has no closing brace")
    if not found:
        raise InputError(f"line {line}: computation {name!r} has no instruction")
    parameters: dict[int, Instruction] = {}
    for instruction in found.values():
        if instruction.opcode == "parameter":
            text = instruction.operands[0] if instruction.operands else ""
            if not re.fullmatch("[0-9]{1,9}", text, re.ASCII) or int(text) in parameters:
                instruction.fail(f"has number {text!r}; expected each number from 0 once")
            parameters[int(text)] = instruction
    for number in range(len(parameters)):
        if number not in parameters:
            raise InputError(f"line {line}: computation {name!r} has no parameter({number}), but later ones")
    ordered = tuple(parameters[number] for number in range(len(parameters)))
    return Computation(name, found, root or list(found.values())[-1], ordered)


def _instruction(statement: str, line: int) -> tuple[bool, Instruction]:
    """Read ``[ROOT] %name = shape opcode(operands), attribute=value, …``."""
    head = INSTRUCTION.match(statement)
    if head is None:
        raise InputError(f"line {line}: expected '%name = shape opcode(operands)', found {_shown(statement)}")
    shape, at = _shape(statement, head.end(), line)
    opcode = OPCODE.match(statement, at)
    if opcode is None:
        raise InputError(f"line {line}: expected an opcode and its operands, found {_shown(statement[at:])}")
    inside, at = _until_closed(statement, opcode.end(), line)
    attributes: dict[str, str] = {}
    for part in _split(statement[at:]):
        key, equals, value = part.partition("=")
        if equals:
            attributes[key.strip()] = value.strip()
    raw = opcode["opcode"] in ("parameter", "constant")
    operands = (inside.strip(),) if raw else tuple(_operand(part, line) for part in _split(inside))
    return bool(head["root"]), Instruction(head["name"], opcode["opcode"], shape, operands, attributes, line)


def _operand(text: str, line: int) -> str:
    """Return the name of an operand, before which its shape may stand."""
    at = 0
    if text.startswith("(") or ARRAY.match(text):
        _, at = _shape(text, 0, line)
    match = NAME.fullmatch(text[at:].strip())
    if match is None:
        raise InputError(f"line {line}: expected the name of an operand, found {_shown(text)}")
    return match["name"]


def _shape(text: str, at: int, line: int) -> tuple[Shape, int]:
    """Read a shape; return it and where it ends."""
    if text.startswith("(", at):
        inside, end = _until_closed(text, at + 1, line)
        parts = []
        for part in _split(inside):
            shape, stop = _shape(part, 0, line)
            if part[stop:].strip():
                raise InputError(f"line {line}: expected a shape, found {_shown(part)}")
            parts.append(shape)
        return Shape("tuple", parts=tuple(parts)), end
    match = ARRAY.match(text, at)
    if match is None:
        raise InputError(f"line {line}: expected a shape such as f32[8,16]{{1,0}}, found {_shown(text[at:])}")
    if match["type"] not in ("token", "opaque") and not TYPE.fullmatch(match["type"]):
        raise InputError(f"line {line}: unknown type {match['type']!r} of elements")
    sides = [side.strip() for side in match["sides"].split(",")] if match["sides"].strip() else []
    for side in sides:
        if not re.fullmatch("[0-9]{1,18}", side, re.ASCII):
            raise InputError(f"line {line}: expected fixed sides of an array, found {_shown(match[0])}")
    return Shape(match["type"], tuple(int(side) for side in sides)), match.end()


def _until_closed(text: str, at: int, line: int) -> tuple[str, int]:
    """Return what stands before the bracket that closes the one before ``at``, and where it is closed."""
    depth = 1
    for match in QUOTED_OR_BRACKET.finditer(text, at):
        depth += (match[0] in OPENING) - (match[0] in CLOSING)
        if not depth:
            return text[at : match.start()], match.end()
    raise InputError(f"line {line}: a bracket stays open in {_shown(text)}")


def _split(text: str) -> list[str]:
    """Return the parts between commas outside brackets and strings, without empty ones."""
    parts, depth, start = [], 0, 0
    for match in QUOTED_OR_BRACKET.finditer(text):
        depth += (match[0] in OPENING) - (match[0] in CLOSING)
        if match[0] == "," and not depth:
            parts.append(text[start : match.start()])
            start = match.end()
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else text[:60] + "…")
