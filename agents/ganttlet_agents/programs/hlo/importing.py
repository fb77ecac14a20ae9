"""From the text of a scheduled HLO module to tables: its entry computation is the program, line by line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet_agents.programs.folding import FLOAT_BYTES
from ganttlet_agents.programs.graph import Graph, Operator, Read, Value
from ganttlet_agents.programs.hlo.text import Computation, Instruction, Module, Shape, parse
from ganttlet_agents.programs.hlo.work import CALLS, Work, called_computation
from ganttlet_agents.programs.tables import Tables, build, check_costs, check_name

# Instructions that only look at their first operand.
VIEWS = ("bitcast", "optimization-barrier", "add-dependency")
# Of their first operand these read no more than they return.
SLICES = ("slice", "dynamic-slice", "gather")
Tree = Any
"""Values of a result: an index into the graph's values, None for a token, or a tuple of trees."""


def from_hlo(
    text: str,
    *,
    name: str | None = None,
    weights: Collection[int] = (),
    keep_types: bool = False,
    costs: Mapping[str, float] | None = None,
) -> Tables:
    """Return the program of a compiled XLA module, as instruction, buffer and use tables.

    Args:
        text: of a scheduled module, as ``compiled.as_text()`` gives it in JAX.
        name: of the program and of its files; the module's if None.
        weights: numbers of the entry computation's parameters that are weights; the others are the program's inputs.
        keep_types: count the bytes of the types in the text. Otherwise floating-point numbers count 2 bytes at most, as
            in programs extracted from torch, since a compiler for the CPU widens narrower ones.
        costs: flops per element of the result for instructions without a rule, by opcode; of custom calls, by target.

    Raises:
        InputError: naming the line: broken text, or an instruction that is refused or has no rule.
    """
    module = parse(text)
    shown = re.sub(r"[^A-Za-z0-9._-]", "_", module.name) if name is None else name
    check_name(shown)
    check_costs(shown, costs)
    if not module.is_scheduled:
        raise InputError("line 1: the module is not scheduled; expected is_scheduled=true, as in compiled.as_text()")
    count = len(module.entry.parameters)
    for number in weights:
        if not 0 <= number < count:
            raise InputError(f"weights: {number} is no parameter of the program; expected 0 … {count - 1}")
    return build(_Importing(module, shown, frozenset(weights), keep_types, costs or {}).run())


def read_hlo(path: str | Path, **options: Any) -> Tables:
    """Return :func:`from_hlo` of a file; errors name it.

    Args:
        path: of the text.
        options: as of :func:`from_hlo`.

    Raises:
        InputError: as from_hlo, or the file cannot be read.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file (byte {error.start} cannot be decoded as UTF-8)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        return from_hlo(text, **options)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


class _Importing:
    """The graph as it grows, and which values each instruction stands for."""

    def __init__(
        self, module: Module, name: str, weights: frozenset[int], keep_types: bool, costs: Mapping[str, float]
    ) -> None:
        self.module, self.name, self.weights, self.keep_types = module, name, weights, keep_types
        self.work = Work(module, costs)
        self.values: list[Value] = []
        self.operators: list[Operator] = []
        self.trees: dict[str, Tree] = {}

    def run(self) -> Graph:
        """Import every instruction of the entry computation."""
        entry = self.module.entry
        for instruction in entry.instructions.values():
            self.trees[instruction.name] = self._result(instruction)
        outputs = frozenset(leaf for leaf, _ in _leaves(self.trees[entry.root.name], entry.root.shape))
        return Graph(self.name, tuple(self.values), tuple(self.operators), outputs)

    def _result(self, instruction: Instruction) -> Tree:
        given = [self.trees[operand] for operand in instruction.operands if operand in self.trees]
        match instruction.opcode:
            case "parameter":
                kind = "param" if int(instruction.operands[0]) in self.weights else "input"
                return self._new(instruction.shape, kind, instruction.name)
            case "constant":
                return self._new(instruction.shape, "const", instruction.name)
            case "tuple":
                return tuple(given)
            case "after-all":
                return None
            case "get-tuple-element":
                index = instruction.attributes.get("index", "")
                if not isinstance(given[0], tuple) or not index.isdecimal() or int(index) >= len(given[0]):
                    instruction.fail(f"takes part {index!r} of {instruction.operands[0]!r}, which has no such part")
                return given[0][int(index)]
            case opcode if opcode in VIEWS and given:
                return given[0]
        matrix, vector = self.work.of(instruction, self.module.entry.name)
        reads = self._reads(instruction)
        result = self._new(instruction.shape, "temp", instruction.name)
        made = tuple(leaf for leaf, _ in _leaves(result, instruction.shape))
        self.operators.append(Operator(instruction.name, self._op(instruction), reads, made, matrix, vector))
        return result

    def _op(self, instruction: Instruction) -> str:
        """Return the opcode; for a fusion those of the instructions inside that cost something."""
        if instruction.opcode not in CALLS:
            return instruction.opcode
        inner = called_computation(instruction, self.module)
        ops = [one.opcode for one in inner.instructions.values() if sum(self.work.of(one, inner.name))]
        return "+".join(ops) or inner.root.opcode

    def _reads(self, instruction: Instruction) -> tuple[Read, ...]:
        reads = []
        for position, operand in enumerate(instruction.operands):
            shape = self.module.entry.instructions[operand].shape
            most = self._read_of(instruction, position, self.module.entry)
            for leaf, _ in _leaves(self.trees[operand], shape):
                whole = self.values[leaf].elements
                part = whole if most is None else min(most, whole)
                # Where in the buffer a slice lies is not looked at: two of them are two parts.
                region = (0, (1, whole)) if part == whole else (-1 - position, (1, part))
                reads.append(Read(leaf, region, part))
        return tuple(reads)

    def _read_of(self, reader: Instruction, position: int, within: Computation) -> int | None:
        """Return how many elements of an operand an instruction reads; None for all."""
        if reader.opcode in SLICES and position == 0:
            return reader.shape.elements
        if reader.opcode in CALLS:
            inner = called_computation(reader, self.module)
            return self._read_inside(inner.parameters[position].name, inner)
        if reader.opcode in VIEWS:
            return self._read_inside(reader.name, within)
        return None

    def _read_inside(self, name: str, inner: Computation) -> int | None:
        """Return how many elements the instructions of a computation read of one of its values; None for all."""
        if name == inner.root.name:
            return None
        total = 0
        for reader in inner.instructions.values():
            if reader.opcode in ("parameter", "constant"):
                continue
            for position, operand in enumerate(reader.operands):
                if operand == name:
                    part = self._read_of(reader, position, inner)
                    if part is None:
                        return None
                    total += part
        return total

    def _new(self, shape: Shape, kind: str, name: str) -> Tree:
        """Return new values for a result; parts of a tuple are numbered."""
        if shape.type == "tuple":
            return tuple(self._new(part, kind, f"{name}.{at}") for at, part in enumerate(shape.parts))
        if shape.type in ("token", "opaque"):
            return None
        item = max(1, shape.bits // 8)
        if shape.is_float and not self.keep_types:
            item = min(item, FLOAT_BYTES)
        if shape.type.startswith("c") and not self.keep_types:
            item = 2 * FLOAT_BYTES
        self.values.append(Value(name, kind, shape.elements, item))
        return len(self.values) - 1


def _leaves(tree: Tree, shape: Shape) -> list[tuple[int, Shape]]:
    """Return the values of a tree with their shapes, from left to right."""
    if isinstance(tree, tuple):
        parts = shape.parts or (shape,) * len(tree)
        return [leaf for part, of in zip(tree, parts, strict=False) for leaf in _leaves(part, of)]
    return [] if tree is None else [(tree, shape)]
