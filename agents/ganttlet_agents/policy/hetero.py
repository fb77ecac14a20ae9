"""Padded observations as torch-geometric graphs, by vectorised offsets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.graph import GraphSpec
from ganttlet_agents.policy.edges import union_edges, union_numbers

try:
    from torch_geometric.data import HeteroData
except ImportError:
    raise MissingExtraError("torch-geometric", "agents") from None


def to_hetero_data(graph: GraphSpec, obs: Mapping[str, Any]) -> HeteroData:
    """Return a batch of observations as one HeteroData: the disjoint union of the rows' graphs, without padding.

    Args:
        graph: the environment's GraphSpec (``env.unwrapped.graph``, ``envs.graph``).
        obs: arrays or tensors with a leading batch axis B, static blocks included.

    Returns:
        Per node type ``x`` (nodes, features then static features) float32, ``batch`` (nodes,) int64, the row each
        node is of, and ``index`` (nodes,) int64, its position in the padded row; per list or pointer edge type
        ``edge_index`` (2, edges) int64 under (source, name, target), and ``edge_attr`` where there are features;
        ``context`` (B, C); each picture (B, channels, height, width) under its name.

    Raises:
        InputError: if a block is missing, for instance under ``static="index"``.
    """
    for block in graph.blocks():
        if block.key not in obs:
            raise InputError(f"observation: key {block.key!r} is missing; make the environment with static='observe'")
    tensors = {key: torch.as_tensor(value) for key, value in obs.items()}
    if tensors["action_mask"].ndim != 2:
        raise InputError("observation: expected a leading batch axis; for one environment pass {key: value[None], …}")
    data = HeteroData()
    numbers: dict[str, torch.Tensor] = {}
    for node in graph.nodes:
        mask = tensors[f"{node.name}_mask"].bool()
        numbers[node.name] = union_numbers(mask)
        parts = [tensors[key] for key in (node.name, f"{node.name}_static") if key in tensors]
        features = torch.cat(parts, dim=-1) if parts else torch.zeros(*mask.shape, 0)
        row, index = mask.nonzero(as_tuple=True)
        data[node.name].x, data[node.name].batch, data[node.name].index = features[mask], row, index
    for edge in graph.edges:
        if edge.kind == "dense":
            continue
        index = tensors[f"{edge.name}_index"].long()
        found, keep = union_edges(index, numbers[edge.source], numbers[edge.target])
        store = data[edge.source, edge.name, edge.target]
        store.edge_index = found
        if edge.features:
            store.edge_attr = tensors[edge.name][keep]
    if graph.context:
        data.context = tensors["context"]
    for picture in graph.pictures:
        setattr(data, picture.name, tensors[picture.name])
    return data
