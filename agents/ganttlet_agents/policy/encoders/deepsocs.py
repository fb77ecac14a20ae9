"""The hierarchical embedding of DeepSoCS, for actions that say which task goes next.

Nodes of a graph hear their children, jobs their tasks, and the whole its jobs. With x the embedding a node came with,
f, g, q and r two-layer networks with leaky ReLU, and ``layers`` rounds for the depth of the messages:

    e(v) = x(v) + g(sum of f(e(u)) over the children u of v), from e = x on; nodes without children keep x
    y(j) = x(j) + sum of q([x(v), e(v)]) over the nodes v of job j
    z = sum of r(y(j)) over the jobs j

A candidate gets [x, e, y, z]: its own x, the e of the node it is or points at, the y of that node's job, and z, mapped
to the width of an embedding, from which the head scores it. Processing elements are not read: with ``action="task"``
the network orders the ready tasks and the environment sends each to the PE of least EFT.

Which is which follows from the observation. The graph is that of the first list or pointer edge from a node type to
itself, its source the parent; the job is what the first pointer edge from that type to another one points at.

Described, not matched. The source is the description of DeepSoCS (Sung et al. 2020), which follows Decima (Mao et al.
2019), and its public successor SoCRATES @e246978. Differences: widths and features are this package's, and the context
is added to every x; a job's own features enter y, where there they are copied to its nodes; the head has no batch
normalisation, and one hidden layer instead of three; the rounds are made, where the public code returns after the
first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.batch import GraphBatch, take
from ganttlet_agents.policy.edges import ends
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.schema import Edge, Schema

SLOPE = 0.2  # of the leaky ReLU below 0


class DeepSoCSEncoder(nn.Module):
    """See the module.

    Raises:
        InputError: if there is no graph, its nodes have no job, or no action points at its nodes.
    """

    def __init__(self, schema: Schema, width: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.graph, self.job = _find(schema)
        self.layers = layers
        node = self.graph.source
        self.links: dict[str, Edge | None] = {}
        for name in schema.tokens:
            to = [e for e in schema.edges if (e.kind, e.source, e.target) == ("pointer", name, node)]
            if name == node or to:
                self.links[name] = None if name == node else to[0]
        if not self.links:
            raise InputError(
                f"encoder 'deepsocs': no action points at nodes {node!r} or at what points at them; it is for actions "
                "that choose the next task (action='task'); use encoder 'dag' or 'pointer'"
            )
        self.before, self.after = _leaky(width, hidden, width), _leaky(width, hidden, width)
        self.member, self.whole = _leaky(2 * width, hidden, width), _leaky(width, hidden, width)
        self.out = nn.ModuleDict({name: nn.Linear(4 * width, width) for name in self.links})

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings: e of graph nodes, y of jobs, what is scored of candidates, others as they came."""
        node, job = self.graph.source, self.job.target
        x = e = nodes[node]
        row, parent, child, _ = ends(batch, self.graph.name)
        count = x.shape[1]
        some = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        some[row, parent] = True
        for _ in range(self.layers):
            message = self.before(e).flatten(0, 1).index_select(0, row * count + child)
            e = x + self.after(_sum_at(message, row, parent, x)) * some.unsqueeze(-1)
        row, member, group, _ = ends(batch, self.job.name)
        inner = torch.cat([x, e], -1).flatten(0, 1).index_select(0, row * count + member)
        y = nodes[job] + _sum_at(self.member(inner), row, group, nodes[job])
        z = (self.whole(y) * batch.masks[job].unsqueeze(-1)).sum(1)
        found = {**nodes, node: e, job: y}
        for name, link in self.links.items():
            at = torch.arange(count, device=x.device).expand(len(x), -1) if link is None else batch.pointers[link.name]
            of = batch.pointers[self.job.name].gather(1, at.clamp(min=0)).masked_fill(at < 0, -1)
            own = nodes[name]
            parts = [own, take(e, at), take(y, of), z.unsqueeze(1).expand_as(own)]
            found[name] = self.out[name](torch.cat(parts, -1))
        return Encoded(found)


def _find(schema: Schema) -> tuple[Edge, Edge]:
    graph = next((e for e in schema.edges if e.kind != "dense" and e.source == e.target), None)
    if graph is None:
        raise InputError(
            "encoder 'deepsocs': this observation has no list or pointer edge from a node type to itself, such as a "
            "precedence; use encoder 'attention' or 'pointer', or an observation with such edges"
        )
    node = graph.source
    for edge in schema.edges:
        if edge.kind == "pointer" and edge.source == node and edge.target != node:
            return graph, edge
    raise InputError(f"encoder 'deepsocs': nodes {node!r} point at nothing they belong to; use encoder 'dag'")


def _sum_at(messages: Tensor, row: Tensor, node: Tensor, like: Tensor) -> Tensor:
    """Return the sum of the messages (edges, d) that arrive at each node, as ``like`` (B, N, d)."""
    rows, count, width = like.shape
    return messages.new_zeros((rows * count, width)).index_add(0, row * count + node, messages).view_as(like)


def _leaky(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, outputs))
