"""Instruction, buffer and use tables: what the memory-mapping environments take, written as three CSV files."""

from __future__ import annotations

import csv
import io
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ganttlet.core.errors import InputError
from ganttlet_agents.programs.fusion import fuse
from ganttlet_agents.programs.graph import Graph, Region, Value, without_dead

if TYPE_CHECKING:
    from ganttlet.memory_mapping.instance import Program


class Instruction(NamedTuple):
    """One step of the program."""

    name: str
    op: str
    """Names of the operators computed in it, joined by +."""
    n_fused: int
    flops_mxu: int
    """Of the matrix unit."""
    flops_vec: int
    """Of the vector unit."""


class Buffer(NamedTuple):
    """A tensor with memory of its own."""

    name: str
    kind: str
    """param, input, const, temp or output."""
    size: int
    """Bytes, unaligned."""
    defined: int
    """Instruction that makes it; -1 if it is there before the program."""
    last: int
    """Instruction that reads it last; the number of instructions if the program returns it."""
    n_uses: int


class Use(NamedTuple):
    """One operand or result of an instruction."""

    t: int
    slot: int
    role: str
    """in or out."""
    buffer: int
    bytes: int


HEADS = {
    "instructions": "t,name,op,n_fused,flops_mxu,flops_vec",
    "buffers": "id,name,kind,size,def,last,n_uses",
    "uses": "t,slot,role,buffer,bytes",
}


@dataclass(frozen=True)
class Tables:
    """A program as tables: instructions in order, the buffers they use, and every use."""

    name: str
    instructions: tuple[Instruction, ...]
    buffers: tuple[Buffer, ...]
    uses: tuple[Use, ...]

    def write(self, folder: str | Path) -> list[Path]:
        """Write ``<name>.instructions.csv``, ``.buffers.csv`` and ``.uses.csv``, all three or none.

        Returns:
            Their paths.

        Raises:
            InputError: no program of the environment's family can be made of the tables, such as for sizes too large.
        """
        self.program()
        rows: dict[str, list[tuple[object, ...]]] = {
            "instructions": [(t, *row) for t, row in enumerate(self.instructions)],
            "buffers": [(index, *row) for index, row in enumerate(self.buffers)],
            "uses": [tuple(row) for row in self.uses],
        }
        texts = {Path(folder) / f"{self.name}.{part}.csv": _csv(HEADS[part], rows[part]) for part in HEADS}
        write_together(texts)
        return list(texts)

    def program(self, hardware: Any = "tpu_v4i_like") -> Program:
        """Return the instance of the memory-mapping family; ``hardware`` as in its ``make_hardware``."""
        from ganttlet.memory_mapping.hardware import make_hardware
        from ganttlet.memory_mapping.instance import KINDS, ROLES, Program

        arrays: dict[str, Any] = dict(
            matrix_flops=[row.flops_mxu for row in self.instructions],
            vector_flops=[row.flops_vec for row in self.instructions],
            size=[row.size for row in self.buffers],
            buffer_kind=[KINDS.index(row.kind) for row in self.buffers],
            defined=[row.defined for row in self.buffers],
            slot_time=[row.t for row in self.uses],
            slot_buffer=[row.buffer for row in self.uses],
            slot_role=[ROLES.index(row.role) for row in self.uses],
            slot_bytes=[row.bytes for row in self.uses],
            instruction_name=[row.name for row in self.instructions],
            instruction_op=[row.op for row in self.instructions],
            buffer_name=[row.name for row in self.buffers],
        )
        return Program(self.name, **arrays, **vars(make_hardware(hardware)))

    @property
    def matrix_flops(self) -> int:
        """Flops of the matrix unit, all instructions together."""
        return sum(row.flops_mxu for row in self.instructions)

    @property
    def vector_flops(self) -> int:
        """Flops of the vector unit, all instructions together."""
        return sum(row.flops_vec for row in self.instructions)

    @property
    def resident(self) -> int:
        """Bytes that are there before the program: parameters, inputs and constants."""
        return sum(row.size for row in self.buffers if row.defined < 0)

    @property
    def traffic(self) -> int:
        """Bytes that all uses move."""
        return sum(row.bytes for row in self.uses)


def check_name(name: Any) -> None:
    """Raise InputError unless files can be called by a program's name."""
    if not isinstance(name, str) or not re.fullmatch(r"(?!\.*$)[A-Za-z0-9._-]{1,200}", name):
        raise InputError(
            f"name: {name!r} cannot name a file; expected at most 200 letters, digits, '.', '_' and '-', not only dots"
        )


def check_costs(name: str, costs: Any) -> None:
    """Raise InputError unless costs are finite numbers of flops per element, by operator name, or None."""
    if costs is None:
        return
    if not isinstance(costs, Mapping):
        raise InputError(f"{name}: costs: expected a mapping of operator names to numbers, got {type(costs).__name__}")
    for key, value in costs.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
            raise InputError(f"{name}: costs: {key!r}: expected flops per element of at least 0, got {value!r}")


def build(graph: Graph) -> Tables:
    """Fuse a traced program and lay it out as tables.

    Raises:
        InputError: the program does no work, or reads what no instruction has made.
    """
    graph = without_dead(graph)
    if not graph.operators:
        raise InputError(f"{graph.name}: the program has no instruction; expected a module that computes something")
    groups = [[graph.operators[index] for index in group.members] for group in fuse(graph)]
    readers: dict[int, set[int]] = {}
    for t, members in enumerate(groups):
        for operator in members:
            for read in operator.reads:
                readers.setdefault(read.value, set()).add(t)
    instructions: list[Instruction] = []
    slots: list[tuple[dict[int, int], list[int]]] = []
    for t, members in enumerate(groups):
        made = [value for operator in members for value in operator.results if graph.values[value].elements]
        regions: dict[int, dict[Region, int]] = {}
        for operator in members:
            for read in operator.reads:
                if read.value not in made and read.elements:
                    regions.setdefault(read.value, {})[read.region] = read.elements
        reads = {value: _bytes(graph.values[value], parts) for value, parts in regions.items()}
        kept = [value for value in made if readers.get(value, set()) - {t} or value in graph.outputs]
        slots.append((reads, kept))
        op = "+".join(operator.op for operator in members)
        instructions.append(
            Instruction(
                members[-1].name,
                op,
                op.count("+") + 1,  # what comes from HLO may be fused already
                sum(operator.matrix_flops for operator in members),
                sum(operator.vector_flops for operator in members),
            )
        )
    return _number(graph, instructions, slots)


def _number(graph: Graph, instructions: list[Instruction], slots: list[tuple[dict[int, int], list[int]]]) -> Tables:
    """Number the buffers: what is there before the program in its order, then results in theirs; and list the uses."""
    defined = {value: t for t, (_, made) in enumerate(slots) for value in made}
    n_uses: dict[int, int] = {}
    last: dict[int, int] = {}
    for t, (reads, _) in enumerate(slots):
        for value in reads:
            if defined.get(value, -1) >= t or (value not in defined and graph.values[value].kind == "temp"):
                name, reader = graph.values[value].name, instructions[t].name
                raise InputError(f"{graph.name}: node {reader!r} reads {name!r} before it is made")
            n_uses[value] = n_uses.get(value, 0) + 1
            last[value] = t
    before = [index for index, value in enumerate(graph.values) if value.kind != "temp" and index in last]
    order = [*before, *(value for _, made in slots for value in made)]
    number = {value: index for index, value in enumerate(order)}
    buffers = []
    for value in order:
        kind, end = graph.values[value].kind, last.get(value, -1)
        if kind == "temp" and value in graph.outputs:
            kind, end = "output", len(instructions)
        shape = graph.values[value]
        buffers.append(Buffer(shape.name, kind, shape.size, defined.get(value, -1), end, n_uses.get(value, 0)))
    uses = []
    for t, (reads, made) in enumerate(slots):
        rows = [("in", value, amount) for value, amount in reads.items()]
        rows += [("out", value, graph.values[value].size) for value in made]
        uses += [Use(t, slot, role, number[value], amount) for slot, (role, value, amount) in enumerate(rows)]
    return Tables(graph.name, tuple(instructions), tuple(buffers), tuple(uses))


def _bytes(value: Value, regions: dict[Region, int]) -> int:
    """Return the bytes that an instruction reads of a value: of its different parts together, at most the value."""
    return min(sum(regions.values()), value.elements) * value.item


def _csv(head: str, rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head.split(","))
    writer.writerows(rows)
    return text.getvalue()


def write_together(texts: dict[Path, str]) -> None:
    """Write several files, all or none: if one cannot take its place, those that have are as they were again."""
    mark = uuid.uuid4().hex[:12]
    waiting = {path: path.with_name(f".{path.name}.{mark}") for path in texts}
    before: dict[Path, bytes | None] = {}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            waiting[path].write_text(text, encoding="utf-8", newline="")
        for path in texts:
            old = path.read_bytes() if path.exists() else None
            os.replace(waiting[path], path)
            before[path] = old
    except BaseException:
        for path, content in before.items():
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
        raise
    finally:
        for path in waiting.values():
            path.unlink(missing_ok=True)
