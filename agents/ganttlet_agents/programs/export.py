"""Tracing: a module's inference by torch.export, or one step of training by make_fx. No tensor gets memory."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from operator import attrgetter
from pathlib import Path
from sysconfig import get_path
from typing import Any

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.utils import _pytree

from ganttlet.core.errors import InputError
from ganttlet_agents.programs.folding import Traced

KINDS = {InputKind.PARAMETER: "param", InputKind.USER_INPUT: "input"}
LEARNING_RATE = 0.01
Inputs = tuple[tuple[Any, ...], dict[str, Any]]
Loss = Callable[[Any], torch.Tensor]


def split_inputs(name: str, example_inputs: Any) -> Inputs:
    """Return positional and named arguments: a tensor is one argument, a mapping holds named ones."""
    if isinstance(example_inputs, torch.Tensor):
        return (example_inputs,), {}
    if isinstance(example_inputs, dict):
        return (), dict(example_inputs)
    if isinstance(example_inputs, list | tuple):
        return tuple(example_inputs), {}
    raise InputError(
        f"{name}: example_inputs is of type {type(example_inputs).__name__}; expected a tensor, a tuple of arguments "
        "or a dict of named ones"
    )


def mean_square(outputs: Any) -> torch.Tensor:
    """Return the loss that needs no labels: the mean of the squares of each output, added up."""
    leaves = [leaf for leaf in _pytree.tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]
    real = [leaf for leaf in leaves if leaf.is_floating_point()]
    if not real:
        raise InputError("train: the module returns no floating-point tensor; give a loss")
    total = real[0].pow(2).mean()
    for leaf in real[1:]:
        total = total + leaf.pow(2).mean()
    return total


def trace_inference(module: nn.Module, inputs: Inputs, name: str) -> Traced:
    """Trace what the module computes in evaluation mode."""
    with _mode(module, training=False), _told(name, "torch.export"):
        table: Any = torch.export.default_decompositions()
        table.pop(torch.ops.aten._safe_softmax.default, None)  # one operator, as softmax is
        exported = torch.export.export(module, *inputs, strict=False).run_decompositions(table)
    sources: dict[str, tuple[str, str]] = {}
    for spec in exported.graph_signature.input_specs:
        kind = KINDS.get(spec.kind, "const")
        if spec.kind == InputKind.BUFFER and spec.persistent:
            kind = "param"  # running statistics and the like, which belong to the weights
        sources[spec.arg.name] = (kind, spec.arg.name)
    graph = exported.graph_module.graph
    _fill_constants(exported.graph_module)
    returned = graph.output_node().all_input_nodes
    places = {node: sources[node.name] for node in graph.nodes if node.op == "placeholder" and node.name in sources}
    return Traced(name, graph, places, tuple(returned))


def trace_training(module: nn.Module, inputs: Inputs, name: str, loss: Loss | None = None) -> Traced:
    """Trace one step of stochastic gradient descent in training mode: it returns the loss and the new parameters."""
    params = {key: value for key, value in module.named_parameters() if value.requires_grad}
    if not params:
        raise InputError(f"{name}: train: the module has no parameter that requires a gradient")
    frozen = {key: value for key, value in module.named_parameters() if key not in params}
    others: dict[str, torch.Tensor] = {**frozen, **dict(module.named_buffers())}

    def step(old: list[torch.Tensor], rest: list[torch.Tensor], inputs: Inputs) -> list[torch.Tensor]:
        leaves = [value.detach().requires_grad_() for value in old]
        state = dict(zip([*params, *others], [*leaves, *rest], strict=True))
        value = (loss or mean_square)(torch.func.functional_call(module, state, *inputs))
        gradients = torch.autograd.grad(value, leaves, allow_unused=True)
        # A parameter that the loss does not depend on stays as it is.
        pairs = [(before, change) for before, change in zip(old, gradients, strict=True) if change is not None]
        return [value, *(before - LEARNING_RATE * change for before, change in pairs)]

    state = (list(params.values()), list(others.values()), inputs)
    flat, layout = _pytree.tree_flatten(state)
    tensors = [leaf for leaf in flat if isinstance(leaf, torch.Tensor)]

    def flat_step(*given: torch.Tensor) -> Any:
        new = iter(given)
        leaves = [next(new) if isinstance(leaf, torch.Tensor) else leaf for leaf in flat]
        return step(*_pytree.tree_unflatten(leaves, layout))

    # On the CPU PyTorch would take kernels of its own for these, for which there are no rules.
    plain = (torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), _without_mkldnn())
    with _mode(module, training=True), _told(name, "make_fx"), plain[0], plain[1]:
        traced = make_fx(flat_step, tracing_mode="fake", _allow_non_fake_inputs=True)(*tensors)
        if any(_changes_in_place(node) for node in traced.graph.nodes):
            functional = torch.func.functionalize(traced, remove="mutations")
            traced = make_fx(functional, tracing_mode="fake", _allow_non_fake_inputs=True)(*tensors)
    _fill_constants(traced)
    labels = [("param", f"p_{_identifier(key)}") for key in params]
    kinds = {key: "param" for key in others} | {key: "const" for key in _temporary(module)}
    labels += [(kinds[key], f"{'p' if key in frozen else 'b'}_{_identifier(key)}") for key in others]
    labels += [("input", f"x_{index}") for index in range(len(tensors) - len(labels))]
    places = [node for node in traced.graph.nodes if node.op == "placeholder"]
    returned = traced.graph.output_node().all_input_nodes
    return Traced(name, traced.graph, dict(zip(places, labels, strict=True)), tuple(returned))


def _identifier(key: str) -> str:
    return key.replace(".", "_")


def _temporary(module: nn.Module) -> list[str]:
    """Return the names of buffers that are not saved with the weights."""
    return [
        f"{path}.{key}" if path else key
        for path, part in module.named_modules()
        for key in part._non_persistent_buffers_set
    ]


def _fill_constants(module: fx.GraphModule) -> None:
    """Give tensors that were found while tracing the description that other nodes have."""
    for node in module.graph.nodes:
        if node.op == "get_attr" and "val" not in node.meta:
            node.meta["val"] = attrgetter(str(node.target))(module)


def _changes_in_place(node: fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable)


@contextmanager
def _mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Put the module and its parts into a mode, and back into theirs."""
    before = [(part, part.training) for part in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for part, was in before:
            part.training = was


@contextmanager
def _without_mkldnn() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # setting the flags warns of other devices
        with torch.backends.mkldnn.flags(enabled=False):
            yield


@contextmanager
def _told(name: str, tracer: str) -> Iterator[None]:
    """Tell a failure of the tracer in one line; its warnings, logs and prints are about its own insides."""
    before, printed = logging.root.manager.disable, io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(printed):
            warnings.simplefilter("ignore")
            yield
        sys.stderr.write(printed.getvalue())  # by the module
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    except GuardOnDataDependentSymNode as error:
        what = "control flow or a size depends on data; expected a fixed sequence of operators"
        raise InputError(f"{name}: {tracer} cannot trace the module{_place(error)}: {what}") from error
    except Exception as error:  # the module's own code runs here: anything may be raised
        lines: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{name}: {tracer} cannot trace the module{_place(error)}: {lines[0]}") from error
    finally:
        logging.disable(before)


def _place(error: BaseException) -> str:
    """Return which line of the module's own code led to an error, such as `` (net.py, line 3: y = x @ w)``."""
    others = tuple(str(Path(folder)) + os.sep for folder in (Path(torch.__file__).parent, get_path("stdlib")))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and path.parent != Path(__file__).parent and not str(path).startswith(others):
            return f" ({path.name}, line {frame.lineno}: {frame.line})"
    return ""
