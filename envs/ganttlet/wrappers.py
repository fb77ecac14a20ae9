"""Wrappers that show an environment's padded observation in other forms."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.spaces import GraphInstance

from ganttlet.core.env import SingleEnv
from ganttlet.core.errors import InputError
from ganttlet.core.graph import EdgeType, NodeType


class GraphObservation(gym.ObservationWrapper[GraphInstance, Any, dict[str, np.ndarray[Any, Any]]]):
    """Show the observation as one Gymnasium ``Graph`` without padding.

    Nodes of all types follow each other in the order of the GraphSpec; a node's row is a one-hot of its type, then the
    features of every type side by side (zero for the other types), static ones included. An edge's row is a one-hot
    of its type, then the features of every edge type. The action mask is in ``info["action_mask"]``; the context is
    left out, and so are dense edges and pictures.

    Attributes:
        first_node: name of the node type -> index of its first node in the last observation.

    Raises:
        InputError: if the environment is not one of ganttlet's, or shows ``static="index"``.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        base = env.unwrapped
        if not isinstance(base, SingleEnv):
            raise InputError(f"GraphObservation: {type(base).__name__} has no GraphSpec")
        if "instance_id" in base.observation_space.spaces:  # type: ignore[attr-defined]
            raise InputError("GraphObservation: needs static='observe'")
        self.graph = base.graph
        self.first_node: dict[str, int] = {}
        self._edges = [edge for edge in self.graph.edges if edge.kind != "dense"]
        node_low, node_high = self._bounds([[*node.features, *node.static_features] for node in self.graph.nodes])
        edge_low, edge_high = self._bounds([list(edge.features) for edge in self._edges])
        edge_space = spaces.Box(edge_low, edge_high, dtype=np.float32) if self._edges else None
        self.observation_space = spaces.Graph(spaces.Box(node_low, node_high, dtype=np.float32), edge_space)
        self._node_width, self._edge_width = len(node_low), len(edge_low)

    @staticmethod
    def _bounds(groups: list[list[Any]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        features = [feature for group in groups for feature in group]
        low = [0.0] * len(groups) + [min(0.0, feature.low) for feature in features]
        high = [1.0] * len(groups) + [max(0.0, feature.high) for feature in features]
        return np.array(low, np.float32), np.array(high, np.float32)

    def observation(self, observation: dict[str, np.ndarray[Any, Any]]) -> GraphInstance:
        """Return the unpadded graph of one padded observation."""
        numbers: dict[str, np.ndarray[Any, Any]] = {}
        blocks, total, column = [], 0, len(self.graph.nodes)
        width = self._node_width
        for at, node in enumerate(self.graph.nodes):
            real = observation[f"{node.name}_mask"] == 1
            self.first_node[node.name] = total
            numbers[node.name] = np.where(real, total + np.cumsum(real) - 1, -1)
            own = self._node_features(node, observation)[real]
            block = np.zeros((len(own), width), np.float32)
            block[:, at] = 1.0
            block[:, column : column + own.shape[1]] = own
            column += own.shape[1]
            total += len(own)
            blocks.append(block)
        nodes = np.concatenate(blocks)
        if not self._edges:
            return GraphInstance(nodes, None, None)
        links, rows, column = [], [], len(self._edges)
        for at, edge in enumerate(self._edges):
            link, keep = self._links(edge, observation, numbers)
            row = np.zeros((len(link), self._edge_width), np.float32)
            row[:, at] = 1.0
            if edge.features:
                row[:, column : column + len(edge.features)] = observation[edge.name][keep]
                column += len(edge.features)
            links.append(link)
            rows.append(row)
        return GraphInstance(nodes, np.concatenate(rows), np.concatenate(links).astype(np.int64))

    @staticmethod
    def _node_features(node: NodeType, observation: dict[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        parts = [observation[node.name]] if node.features else []
        parts += [observation[f"{node.name}_static"]] if node.static_features else []
        return np.concatenate(parts, axis=1) if parts else np.zeros((node.count, 0), np.float32)

    @staticmethod
    def _links(
        edge: EdgeType, observation: dict[str, np.ndarray[Any, Any]], numbers: dict[str, np.ndarray[Any, Any]]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the edges (E, 2) between numbered nodes and which edge slots they are."""
        index = observation[f"{edge.name}_index"]
        source, target = (np.arange(len(index)), index) if edge.kind == "pointer" else index
        ends = np.stack([numbers[edge.source][source], numbers[edge.target][target]], axis=1)
        keep = (source >= 0) & (target >= 0) & (ends >= 0).all(axis=1)
        return ends[keep], keep
