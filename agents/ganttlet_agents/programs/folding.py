"""From a traced module to operators that do work: what only looks at a tensor is folded into the tensor."""

from __future__ import annotations

import operator as python_operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from ganttlet.core.errors import InputError
from ganttlet_agents.programs import flops
from ganttlet_agents.programs.graph import Graph, Operator, Read, Region, Value

FLOAT_BYTES = 2
"""Floating-point numbers are counted as bfloat16, whatever the traced module computes in."""
# Views whose schemas do not say so.
UNMARKED_VIEWS = ("_unsafe_view", "unsafe_split", "unsafe_split_with_sizes", "lift_fresh_copy")
# Operators that take the shape of their operands and read nothing.
SHAPE_ONLY = ("new_zeros", "new_ones", "new_full", "new_empty", "new_empty_strided", "bernoulli.p")
# Operators that read of their first operand no more than they write.
GATHERS = ("embedding", "index_select", "gather", "index", "_unsafe_index", "take")
BAGS = ("_embedding_bag", "_embedding_bag_forward_only")


@dataclass(frozen=True)
class Traced:
    """A module as a graph of ATen operators on fake tensors."""

    name: str
    graph: fx.Graph
    sources: Mapping[fx.Node, tuple[str, str]]
    """Kind and name of each placeholder."""
    outputs: tuple[fx.Node, ...]


class _Folding:
    """The graph as it grows, and which value each node looks at."""

    def __init__(self, traced: Traced, costs: Mapping[str, float]) -> None:
        self.traced, self.costs = traced, costs
        self.values: list[Value] = []
        self.operators: list[Operator] = []
        self.sources: dict[fx.Node | str, int] = {}
        self.base: dict[fx.Node, int] = {}
        self.parts: dict[fx.Node, dict[Any, int]] = {}
        self.outputs: set[int] = set()

    def run(self) -> Graph:
        """Fold every node."""
        for node in self.traced.graph.nodes:
            if node.op in ("placeholder", "get_attr"):
                self._source(node)
            elif node.op == "call_function":
                self._call(node)
            elif node.op != "output":
                raise self._error(node, f"is a {node.op}; expected calls of ATen operators only")
        self.outputs.update(self.base[node] for node in self.traced.outputs if node in self.base)
        return Graph(self.traced.name, tuple(self.values), tuple(self.operators), frozenset(self.outputs))

    def _source(self, node: fx.Node) -> None:
        kind, name = self.traced.sources.get(node, ("const", str(node.target)))
        if not isinstance(node.meta.get("val"), torch.Tensor):
            return
        key = node if node.op == "placeholder" else name  # a constant is fetched once for each use
        if key not in self.sources:
            self.sources[key] = self._new(node.meta["val"], kind, name)
        self.base[node] = self.sources[key]

    def _call(self, node: fx.Node) -> None:
        if node.target is python_operator.getitem:
            source, index = node.args
            if source in self.base:  # a part of a split tensor
                self.base[node] = self.base[source]  # type: ignore[index]
            elif (part := self.parts.get(source, {}).get(index)) is not None:  # type: ignore[arg-type]
                self.base[node] = part
            return
        if not isinstance(node.target, torch._ops.OpOverload):
            raise self._error(node, f"calls {node.target}, which is no ATen operator; control flow cannot be extracted")
        name, value = flops.operator_name(node), node.meta.get("val")
        if name == "copy_" and self._overwrites_source(node):
            return
        if node.target._schema.is_mutable:
            raise self._error(node, f"changes a tensor in place ({node.target}); expected a functional program")
        if not _tensors(value):
            return  # an assertion, or the size of something
        for tensor in _tensors(value):
            if any(not isinstance(length, int) for length in tensor.shape):
                shape = ", ".join(str(length) for length in tensor.shape)
                raise self._error(node, f"has a shape that depends on data, ({shape}); expected fixed shapes")
        if _is_view(node, name) or (name in flops.COPIES and self._keeps_layout(node)):
            self.base[node] = self.base[node.all_input_nodes[0]]
            return
        self._operator(node, name)

    def _operator(self, node: fx.Node, name: str) -> None:
        cost = flops.count(node, self.costs)
        if cost is None:
            raise self._error(
                node,
                f"calls {node.target}, whose cost has no rule; give flops per result element: costs={{{name!r}: …}}",
            )
        value = node.meta["val"]
        if isinstance(value, torch.Tensor):
            self.base[node] = self._new(value, "temp", node.name)
            results: list[int] = [self.base[node]]
        else:
            picks: dict[Any, fx.Node] = {
                user.args[1]: user for user in reversed(node.users) if user.target is python_operator.getitem
            }
            parts = {
                index: self._new(value[index], "temp", picks[index].name)
                for index in sorted(picks)
                if isinstance(value[index], torch.Tensor)
            }
            self.parts[node] = parts
            results = list(parts.values())
        elementwise = flops.is_elementwise(node)
        self.operators.append(
            Operator(
                node.name,
                name,
                tuple(self._reads(node, name)),
                tuple(results),
                *cost,
                elementwise=elementwise,
                producer=elementwise or flops.is_producer(node),
            )
        )

    def _reads(self, node: fx.Node, name: str) -> list[Read]:
        """Return what the operator reads of its operands, in their order."""
        if name in SHAPE_ONLY or name.endswith("_like") or str(node.target).removeprefix("aten.") in SHAPE_ONLY:
            return []
        operands = [operand for operand in node.all_input_nodes if operand in self.base]
        if name in ("copy", "fill"):
            return self._whole(operands[1:])  # over the first one
        if name == "convolution_backward":
            arguments: Any = node.args
            gradient, data, weight = arguments[:3]
            of_data, of_weight = arguments[10][:2]
            # The gradient of the data needs the weight and that of the weight the data.
            read = {gradient, data if of_weight else None, weight if of_data else None}
            operands = [operand for operand in operands if operand in read]
        reads = self._whole(operands)
        if name in (*GATHERS, *BAGS) and operands[0] is node.args[0]:
            table: torch.Tensor = operands[0].meta["val"]
            found = _tensors(node.meta["val"])[0].numel()
            if name in BAGS:
                found = operands[1].meta["val"].numel() * table.shape[1]
            reads[0] = reads[0]._replace(elements=min(reads[0].elements, found))
        return reads

    def _whole(self, operands: list[fx.Node]) -> list[Read]:
        """Return reads of all that the operands show of their values."""
        return [Read(self.base[operand], *_region(operand.meta["val"])) for operand in operands]

    def _overwrites_source(self, node: fx.Node) -> bool:
        """Take what is copied over a placeholder, such as a running mean, for something that the program returns."""
        target, content = node.args[:2]
        if not isinstance(target, fx.Node) or target.op != "placeholder" or not isinstance(content, fx.Node):
            return False
        self.outputs.add(self.base[content])
        return True

    def _keeps_layout(self, node: fx.Node) -> bool:
        """Return whether a copy has each element where its source has it: a compiler makes no such copy."""
        source, copy = node.all_input_nodes[0], node.meta["val"]
        original, base = source.meta["val"], self.values[self.base[source]]
        return bool(
            _region(original)[1] == base.elements
            and _item(copy) == base.item
            and copy.dtype.is_floating_point == original.dtype.is_floating_point
            and copy.stride() == original.stride()
        )

    def _new(self, tensor: torch.Tensor, kind: str, name: str) -> int:
        self.values.append(Value(name, kind, _region(tensor)[1], _item(tensor)))
        return len(self.values) - 1

    def _error(self, node: fx.Node, what: str) -> InputError:
        return InputError(f"{self.traced.name}: node {node.name!r} {what}")


def fold(traced: Traced, costs: Mapping[str, float] | None = None) -> Graph:
    """Return the operators of a traced module that do work, with the parts of the tensors that they read.

    Args:
        traced: the module.
        costs: flops per element of the result for operators, by name; they go before the rules of ``flops``.

    Raises:
        InputError: naming the node: an operator without a rule, a change in place, or a shape that depends on data.
    """
    return _Folding(traced, costs or {}).run()


def _is_view(node: fx.Node, name: str) -> bool:
    """Return whether an operator only looks at its first operand, from its schema."""
    returns: Any = node.target._schema.returns  # type: ignore[union-attr]
    marked = any(entry.alias_info is not None for entry in returns)
    return (marked or name in UNMARKED_VIEWS) and bool(node.all_input_nodes)


def _region(tensor: torch.Tensor) -> tuple[Region, int]:
    """Return where the elements of a view lie, in the same form for equal sets, and how many they are.

    Dimensions along which an element repeats (stride 0) count once.
    """
    merged: list[tuple[int, int]] = []
    dims = [(int(stride), int(size)) for stride, size in zip(tensor.stride(), tensor.shape, strict=True)]
    if any(size == 0 for _, size in dims):
        return (0,), 0
    for stride, size in sorted(((stride, size) for stride, size in dims if size > 1 and stride), reverse=True):
        if merged and merged[-1][0] == stride * size:
            merged[-1] = (stride, size * merged[-1][1])
        else:
            merged.append((stride, size))
    elements = 1
    for _, size in merged:
        elements *= size
    return (int(tensor.storage_offset()), *merged), elements


def _item(tensor: torch.Tensor) -> int:
    """Return the bytes of an element: 2 for floating-point numbers of more."""
    if tensor.dtype.is_complex:
        return 2 * FLOAT_BYTES
    return min(tensor.dtype.itemsize, FLOAT_BYTES) if tensor.dtype.is_floating_point else tensor.dtype.itemsize


def _tensors(value: Any) -> list[torch.Tensor]:
    parts = value if isinstance(value, list | tuple) else [value]
    return [part for part in parts if isinstance(part, torch.Tensor)]
