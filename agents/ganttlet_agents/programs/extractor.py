"""From a torch module to tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ganttlet.core.errors import InputError
from ganttlet_agents.programs.export import Loss, split_inputs, trace_inference, trace_training
from ganttlet_agents.programs.folding import fold
from ganttlet_agents.programs.tables import Tables, build, check_costs, check_name


def extract(
    module: nn.Module,
    example_inputs: Any,
    *,
    name: str,
    train: bool = False,
    loss: Loss | None = None,
    costs: Mapping[str, float] | None = None,
) -> Tables:
    """Return the program that a module computes, as instruction, buffer and use tables.

    Only shapes count: parameters and inputs may be real or fake (made under ``FakeTensorMode``), and nothing is
    computed. The module is left as it was.

    Args:
        module: any module that torch.export can trace; for ``train``, any that autograd can differentiate.
        example_inputs: a tensor, a tuple of arguments or a dict of named arguments.
        name: of the program and of its files.
        train: trace a step of stochastic gradient descent in training mode instead of inference.
        loss: function of the module's result to a scalar; the mean of squares if None. Only for ``train``.
        costs: flops per element of the result for operators without a rule, by name, such as ``{"my_op": 3}``.

    Raises:
        InputError: the module cannot be traced, or has an operator without a rule, which is named with its node.
    """
    check_name(name)
    if not isinstance(module, nn.Module):
        raise InputError(f"{name}: module is of type {type(module).__name__}; expected a torch.nn.Module")
    if loss is not None and not train:
        raise InputError(f"{name}: loss is given without train=True")
    check_costs(name, costs)
    inputs = split_inputs(name, example_inputs)
    traced = trace_training(module, inputs, name, loss) if train else trace_inference(module, inputs, name)
    return build(fold(traced, costs))
