"""The extractor's own view of a traced program: values, and operators that read and make them. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Region = tuple[int | tuple[int, int], ...]
"""Where a view lies in its value: the offset, then (stride, size) of each dimension, all in elements."""


@dataclass(frozen=True)
class Value:
    """A tensor with memory of its own."""

    name: str
    kind: str
    """param, input, const, or temp for the result of an operator."""
    elements: int
    item: int
    """Bytes of an element."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.elements * self.item


class Read(NamedTuple):
    """An operand: which part of which value an operator reads."""

    value: int
    """Index into the graph's values."""
    region: Region
    elements: int


@dataclass(frozen=True)
class Operator:
    """One operator that does work; views are folded into the values that they look at."""

    name: str
    op: str
    reads: tuple[Read, ...]
    results: tuple[int, ...]
    """Indices into the graph's values."""
    matrix_flops: int
    vector_flops: int
    elementwise: bool = False
    producer: bool = False
    """Whether an element-wise operator may be computed together with it, on its result."""


@dataclass(frozen=True)
class Graph:
    """A program before fusion: operators in the order of execution."""

    name: str
    values: tuple[Value, ...]
    operators: tuple[Operator, ...]
    outputs: frozenset[int]
    """Values that the program returns."""


def without_dead(graph: Graph) -> Graph:
    """Return the graph without operators of which no result is read or returned, or only results of no elements."""
    wanted = set(graph.outputs)
    kept = []
    for operator in reversed(graph.operators):
        if any(value in wanted and graph.values[value].elements for value in operator.results):
            wanted.update(read.value for read in operator.reads)
            kept.append(operator)
    return Graph(graph.name, graph.values, tuple(reversed(kept)), graph.outputs)
