"""How many flops an ATen operator costs, and on which unit: matrix products and convolutions, or everything else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx
from torch.utils.flop_counter import flop_registry


def _by_name(costs: Mapping[int, str]) -> dict[str, int]:
    return {name: cost for cost, names in costs.items() for name in names.split()}


# Flops per element of the first result. Element-wise operators cost 1 unless they stand here.
PER_RESULT = _by_name(
    {
        # Copies, selections and fills: an element through the vector unit for each that is written.
        1: """
            cat stack clone copy _to_copy repeat flip roll triu tril pixel_shuffle pixel_unshuffle channel_shuffle
            constant_pad_nd fill diag_embed im2col col2im upsample_nearest2d upsample_nearest2d_backward
            reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d
            reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward
            replication_pad1d_backward replication_pad2d_backward replication_pad3d_backward
            index _unsafe_index gather take index_select embedding embedding_dense_backward
            scatter scatter_add scatter_reduce index_put _unsafe_index_put index_add
            slice_scatter select_scatter slice_backward select_backward
            max_pool2d_with_indices_backward avg_pool2d_backward _adaptive_avg_pool2d_backward
            max_pool3d_with_indices_backward avg_pool3d_backward adaptive_max_pool2d_backward
            full zeros ones empty arange scalar_tensor eye linspace empty_strided empty_permuted
            full_like zeros_like ones_like empty_like new_zeros new_ones new_full new_empty new_empty_strided
        """,
        4: """
            exp expm1 log log1p log2 log10 sin cos tan asin acos atan sinh cosh tanh sigmoid erf sqrt rsqrt logit
            log_sigmoid_forward _softmax_backward_data _log_softmax_backward_data
            _native_batch_norm_legit_no_training
            bernoulli rand randn rand_like randn_like randperm randint native_dropout
        """,
        5: """
            silu elu softplus mish hardswish glu sigmoid_backward tanh_backward
            elu_backward softplus_backward hardswish_backward log_sigmoid_backward _prelu_kernel _prelu_kernel_backward
            leaky_relu_backward hardtanh_backward hardsigmoid_backward softshrink_backward mse_loss_backward
            smooth_l1_loss_backward huber_loss_backward binary_cross_entropy_backward
            _softmax _log_softmax _safe_softmax logsumexp
        """,
        8: """
            gelu gelu_backward silu_backward mish_backward glu_backward upsample_bilinear2d upsample_bilinear2d_backward
            native_layer_norm native_group_norm _fused_rms_norm
            native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_functional
        """,
        12: """
            native_layer_norm_backward native_group_norm_backward native_batch_norm_backward _fused_rms_norm_backward
        """,
    }
)
# Flops per element of the first operand.
PER_OPERAND = _by_name(
    {
        1: """
            sum mean prod amax amin aminmax any all nansum count_nonzero max min argmax argmin
            cumsum cumprod cummax cummin _adaptive_avg_pool2d adaptive_max_pool2d
            nll_loss_forward nll_loss2d_forward nll_loss_backward nll_loss2d_backward native_dropout_backward
            _embedding_bag _embedding_bag_forward_only _embedding_bag_dense_backward
        """,
        2: "mv dot vdot",
        3: "linalg_vector_norm var std _cdist_forward mse_loss",
        4: "var_mean std_mean smooth_l1_loss huber_loss",
        10: "binary_cross_entropy",
    }
)
# Flops per element of the result and of the window (argument 1).
POOLS = ("max_pool2d_with_indices", "avg_pool2d", "avg_pool1d", "avg_pool3d", "max_pool3d_with_indices")
COPIES = ("clone", "_to_copy")
SORTS = ("sort", "topk", "kthvalue", "median")


def operator_name(node: fx.Node) -> str:
    """Return the name of an ATen operator without its overload, such as ``add``."""
    packet = getattr(node.target, "overloadpacket", None)
    return str(getattr(packet, "__name__", node.target))


def is_elementwise(node: fx.Node) -> bool:
    """Return whether each element of the result depends on one element of each operand, at its place."""
    if operator_name(node) in COPIES:  # PyTorch tags them, but most of those left after folding move data elsewhere
        return bool(node.meta["val"].stride() == node.all_input_nodes[0].meta["val"].stride())
    return torch.Tag.pointwise in getattr(node.target, "tags", ())


def is_producer(node: fx.Node) -> bool:
    """Return whether element-wise operators may be computed on its result while it is made."""
    name = operator_name(node)
    return name in ("mm", "addmm", "bmm", "baddbmm", "convolution") or (
        "norm" in name and name.startswith(("native_", "_native_", "_fused")) and not name.endswith("backward")
    )


def count(node: fx.Node, costs: Mapping[str, float]) -> tuple[int, int] | None:
    """Return flops of the matrix unit and of the vector unit; None if there is no rule for the operator.

    Args:
        node: a call of an ATen operator, traced with fake tensors.
        costs: flops per element of the first result, by operator name; they go before the rules here.
    """
    name, result = operator_name(node), _first(node.meta["val"])
    if name in costs:
        return 0, round(costs[name] * result)
    packet = getattr(node.target, "overloadpacket", None)
    if packet in flop_registry:
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda operand: operand.meta["val"])
        return int(flop_registry[packet](*args, **kwargs, out_val=node.meta["val"])), 0
    if name in PER_RESULT:
        return 0, PER_RESULT[name] * result
    if is_elementwise(node):
        return 0, result
    operands = [_first(operand.meta["val"]) for operand in node.all_input_nodes]
    if name in PER_OPERAND:
        return 0, PER_OPERAND[name] * (operands[0] if operands else result)
    if name in POOLS:
        window: Any = node.args[1]
        return 0, math.prod([window] if isinstance(window, int) else window) * result
    if name in SORTS and operands:
        return 0, operands[0] * max(1, math.ceil(math.log2(max(2, operands[0]))))
    return None


def _first(value: Any) -> int:
    """Return the number of elements of a tensor, or of the first tensor of a sequence."""
    if isinstance(value, torch.Tensor):
        return int(value.numel())
    return next((_first(part) for part in value or () if part is not None), 0) if isinstance(value, list | tuple) else 0
