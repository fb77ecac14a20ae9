"""Greedy epilogue fusion: element-wise operators are computed together with the operator that makes an operand."""

from __future__ import annotations

from dataclasses import dataclass, field

from ganttlet_agents.programs.graph import Graph


@dataclass
class Group:
    """Operators computed as one instruction, at the place of the last of them."""

    members: list[int] = field(default_factory=list)
    """Indices into the graph's operators, ascending."""


def fuse(graph: Graph) -> list[Group]:
    """Return the instructions of ``graph``: groups of operators, in the order of their last members.

    An element-wise operator joins the group that makes one of its operands if

    - the value is read by no other operator and is not returned by the program,
    - it has as many elements as the result, and all of them are read,
    - the operator that makes it is element-wise, a matrix product, a convolution or a normalisation,
    - nothing else that the group makes is needed before: the group moves back to the place of this operator.

    Of several such operands, the one made last is taken.
    """
    readers: dict[int, list[int]] = {}
    maker: dict[int, int] = {}
    for index, operator in enumerate(graph.operators):
        for value in {read.value for read in operator.reads}:
            readers.setdefault(value, []).append(index)
        for value in operator.results:
            maker[value] = index

    groups: dict[int, Group] = {}
    group_of: list[Group] = []
    for index, operator in enumerate(graph.operators):
        joined = None
        if operator.elementwise:
            joinable = {
                maker[read.value]
                for read in operator.reads
                if read.value in maker and _joins(graph, readers, maker[read.value], read.value, index)
            }
            fitting = [made for made in joinable if _may_move(graph, readers, group_of[made], index)]
            # The later one: its group is the last to move, so the fewest values wait for it.
            joined = group_of[max(fitting)] if fitting else None
        if joined is None:
            joined = Group()
        else:
            groups.pop(joined.members[-1])
        joined.members.append(index)
        group_of.append(joined)
        groups[index] = joined
    return [groups[last] for last in sorted(groups)]


def _joins(graph: Graph, readers: dict[int, list[int]], made: int, value: int, index: int) -> bool:
    """Return whether the operator ``index`` may be computed on ``value`` while ``made`` makes it."""
    source, operator = graph.operators[made], graph.operators[index]
    if not (source.producer or source.elementwise) or value in graph.outputs or readers[value] != [index]:
        return False
    elements = graph.values[value].elements
    whole = any(read.value == value and read.elements == elements for read in operator.reads)
    return whole and all(graph.values[result].elements == elements for result in operator.results)


def _may_move(graph: Graph, readers: dict[int, list[int]], group: Group, index: int) -> bool:
    """Return whether all that the group makes is read inside it, or not before ``index``."""
    inside = set(group.members)
    return all(
        reader >= index or reader in inside
        for member in group.members
        for value in graph.operators[member].results
        for reader in readers.get(value, ())
    )
