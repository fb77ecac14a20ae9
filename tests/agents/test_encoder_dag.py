"""The encoders of directed graphs against slow twins: plain loops over rows, nodes and edges with the same weights."""

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.graph import EdgeType, GraphSpec, NodeType, Segment
from ganttlet.job_shop.env import JobShopVectorEnv

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from policies import (  # noqa: E402
    F,
    G,
    H,
    close,
    edges_of,
    embedded,
    feed,
    linear,
    make_network,
    make_spec,
    mean,
    norm,
    play,
    random_obs,
    tensors,
)

WIDTH = 8


@pytest.fixture(autouse=True)
def padded(monkeypatch):
    """The twins number nodes as the padded space does."""
    monkeypatch.setattr("ganttlet_agents.policy.batch.CROWDED", 0.0)


def soc(action="task", tasks=6, jobs=3, pes=3, ready=4, segments=None):
    """Return the shape of a scheduler's observation: tasks, their jobs, PEs, and a list of what is ready."""
    return GraphSpec(
        nodes=(
            NodeType("task", tasks, (F, G)),
            NodeType("job", jobs, (F,)),
            NodeType("pe", pes, (G,)),
            NodeType("ready", ready, (F, H)),
        ),
        edges=(
            EdgeType("precedes", "task", "task", "list", 2 * tasks),
            EdgeType("task_job", "task", "job", "pointer"),
            EdgeType("task_pe", "task", "pe", "pointer"),
            EdgeType("ready_task", "ready", "task", "pointer"),
            EdgeType("ready_job", "ready", "job", "pointer"),
            *([EdgeType("ready_pe", "ready", "pe", "dense", features=(F, G))] if action == "joint" else []),
        ),
        context=(F,),
        phases=("any",),
        segments=segments or (Segment({"task": "ready", "joint": "ready_pe"}[action]), Segment("context")),
    )


SPECS = {"mixed": make_spec(dense=False), "soc": soc(), "joint": soc("joint")}


def nodes_of(spec, obs, nodes, row):
    return {
        (node.name, item): nodes[node.name][row, item]
        for node in spec.nodes
        for item in np.flatnonzero(obs[f"{node.name}_mask"][row])
    }


def plain_step(step, spec, state, edges, obs, row, ways, takers, whole):
    """One step; ``ways`` are (edge, to the target?) in the order of the step's inputs."""
    normed = {key: norm(step.norm[key[0]], x) for key, x in state.items() if key[0] in step.norm}
    pooled = torch.zeros(WIDTH)
    for node in spec.nodes if whole else ():
        pooled = pooled + linear(step.pool[node.name], mean([x for key, x in normed.items() if key[0] == node.name]))
    after = dict(state)
    for (name, item), x in state.items():
        if name not in takers:
            continue
        parts = [normed[name, item]]
        for edge, to in ways:
            sender, taker = (edge.source, edge.target) if to else (edge.target, edge.source)
            if taker != name:
                continue
            heard = []
            for source, target, slot in edges[edge.name]:
                if (target if to else source) != item:
                    continue
                message = normed[sender, source if to else target]
                if edge.features:
                    values = torch.asinh(torch.from_numpy(obs[edge.name][row, slot]))
                    message = message + linear(step.attr[f"{edge.name}_{'to' if to else 'back'}"], values)
                heard.append(message)
            parts.append(mean(heard))
        parts += [pooled] if whole else []
        after[name, item] = x + feed(step.mix[name], torch.cat(parts))
    return after


def plain_dag(encoder, spec, obs, nodes, row, layers):
    state = nodes_of(spec, obs, nodes, row)
    links = [edge for edge in spec.edges if edge.kind != "dense"]
    edges = edges_of(GraphSpec(spec.nodes, tuple(links)), obs, row)
    graph, members = [e for e in links if e.source == e.target], [e for e in links if e.source != e.target]
    inside = {edge.source for edge in graph}
    outside = {node.name for node in spec.nodes} - inside
    both = [(edge, to) for edge in graph for to in (True, False)]
    up, back = [(edge, True) for edge in members], [(edge, False) for edge in members]
    plan = [(both, inside, False)] * layers
    plan += [(up, outside & {edge.target for edge in members}, False), (up + back, inside, True), (back, outside, True)]
    assert len(encoder.steps) == len(plan)
    for step, (ways, takers, whole) in zip(encoder.steps, plan, strict=True):
        state = plain_step(step, spec, state, edges, obs, row, ways, takers, whole)
    return state


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("kind", list(SPECS))
@torch.no_grad()
def test_dag(kind, layers):
    spec = SPECS[kind]
    network = make_network(spec, "dag", layers, layers=layers)
    obs = random_obs(spec, 3, layers)
    batch, nodes = embedded(network, obs)
    encoded = network.encoder(batch, nodes)
    assert encoded.refine is None
    for row in range(3):
        expected = plain_dag(network.encoder, spec, obs, nodes, row, layers)
        assert len(expected) == sum(int(mask[row].sum()) for mask in batch.masks.values())
        for (name, item), vector in expected.items():
            assert close(encoded.nodes[name][row, item], vector)


def leaky(layers, x):
    inner = linear(layers[0], x)
    return linear(layers[2], torch.where(inner > 0, inner, 0.2 * inner))


def total(vectors):
    return sum(vectors, torch.zeros(WIDTH))


@pytest.mark.parametrize("layers", [1, 3])
@torch.no_grad()
def test_deepsocs(layers):
    """Candidates that point at tasks, and tasks that are candidates themselves."""
    spec = soc(segments=(Segment("ready"), Segment("task"), Segment("pe")))
    network = make_network(spec, "deepsocs", layers, layers=layers)
    encoder, obs = network.encoder, random_obs(spec, 3, layers)
    batch, nodes = embedded(network, obs)
    encoded = encoder(batch, nodes)
    assert list(encoder.links) == ["task", "ready"]
    assert encoded.nodes["pe"] is nodes["pe"]
    for row in range(3):
        x, edges = nodes_of(spec, obs, nodes, row), edges_of(spec, obs, row)
        tasks = [item for name, item in x if name == "task"]
        e = {task: x["task", task] for task in tasks}
        for _ in range(layers):
            before, e = e, {}
            for task in tasks:
                children = [target for source, target, _ in edges["precedes"] if source == task]
                heard = leaky(encoder.after, total([leaky(encoder.before, before[child]) for child in children]))
                e[task] = x["task", task] + (heard if children else 0)
        own = {source: target for source, target, _ in edges["task_job"]}
        y = {
            job: one
            + total([leaky(encoder.member, torch.cat([x["task", t], e[t]])) for t in tasks if own.get(t) == job])
            for (name, job), one in x.items()
            if name == "job"
        }
        z = total([leaky(encoder.whole, one) for one in y.values()])
        at = {("ready", source): target for source, target, _ in edges["ready_task"]}
        at |= {("task", task): task for task in tasks}
        for (name, item), one in x.items():
            if name == "job":
                assert torch.allclose(encoded.nodes["job"][row, item], y[item], rtol=1e-5, atol=1e-5)
            elif name != "pe":
                task = at.get((name, item))
                none = torch.zeros(WIDTH)
                parts = [one, e.get(task, none), y.get(own.get(task), none), z]
                expected = linear(encoder.out[name], torch.cat(parts))
                # Sums are larger than means, and so is their rounding.
                assert torch.allclose(encoded.nodes[name][row, item], expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", list(SPECS))
@pytest.mark.parametrize("encoder", ["dag", "deepsocs"])
def test_every_weight_is_used(encoder, kind):
    spec = SPECS[kind]
    network = make_network(spec, encoder)
    logits, values = network(tensors(random_obs(spec, 24, 1)))
    (logits[logits > -1e7].square().sum() + values.sum()).backward()
    idle = [
        name
        for name, one in network.named_parameters()
        if name.startswith("encoder.") and (one.grad is None or not one.grad.any())
    ]
    assert idle == []


def chain(length):
    """Return a shop of three jobs of ``length`` tasks in a row, and its observation; the first of job 0 is ready."""
    spec = soc(tasks=3 * length, jobs=3, ready=2)
    obs = spec.allocate(1)
    for key in ("task_mask", "job_mask", "pe_mask"):
        obs[key][:] = 1
    tasks = [task for task in range(3 * length) if task % length < length - 1]
    obs["precedes_index"][0, :, : len(tasks)] = [tasks, [task + 1 for task in tasks]]
    obs["task_job_index"][0] = np.arange(3 * length) // length
    obs["ready_mask"][0], obs["ready_task_index"][0], obs["ready_job_index"][0] = 1, [0, length], [0, 1]
    obs["action_mask"][:] = 1
    return spec, obs


def heard_of(encoder, spec, obs, key, item, **shape):
    """Return how far logits of ready tasks move when a feature of one item changes."""
    network = make_network(spec, encoder, **shape)
    before = play(network, obs)[0][0, :2]
    obs = {name: part.copy() for name, part in obs.items()}
    obs[key][0, item] += 1
    return np.abs(play(network, obs)[0][0, :2] - before)


def test_what_a_ready_task_hears():
    """Any depth, by the job; other jobs and PEs, by the whole; the graph itself up to ``layers`` edges."""
    spec, obs = chain(5)
    for key, item in (("task", 4), ("task", 14), ("job", 2), ("pe", 1)):
        assert (heard_of("dag", spec, obs, key, item, layers=1) > 1e-5).all()
    obs["task_job_index"][:] = obs["ready_job_index"][:] = -1
    for layers in (1, 2, 3, 4):
        network = make_network(spec, "dag", layers=layers)
        rounds = torch.nn.ModuleList(network.encoder.steps[:layers])
        network.encoder.steps = rounds
        batch, nodes = embedded(network, obs)
        before = network.encoder(batch, nodes).nodes["task"][0]
        nodes["task"][0, 2] += torch.linspace(-1, 1, WIDTH)
        after = network.encoder(batch, nodes).nodes["task"][0]
        moved = [task for task in range(5) if not close(before[task], after[task])]
        assert moved == [task for task in range(5) if abs(task - 2) <= layers]


def test_deepsocs_hears_children_up_to_its_depth_and_no_parents():
    spec, obs = chain(5)
    for layers in (1, 2, 3):
        network = make_network(spec, "deepsocs", layers=layers)
        batch, nodes = embedded(network, obs)
        before = network.encoder(batch, nodes).nodes["task"][0]
        nodes["task"][0, 3] += 1
        after = network.encoder(batch, nodes).nodes["task"][0]
        moved = [task for task in range(5) if not close(before[task], after[task])]
        assert moved == [task for task in range(5) if 0 <= 3 - task <= layers]
    assert (heard_of("deepsocs", spec, obs, "pe", 1) == 0).all()
    assert (heard_of("deepsocs", spec, obs, "task", 14, layers=1) > 1e-5).all()


def test_the_two_directions_have_weights_of_their_own():
    spec, obs = chain(3)
    turned = {key: part.copy() for key, part in obs.items()}
    turned["precedes_index"][:] = turned["precedes_index"][:, ::-1]
    network = make_network(spec, "dag")
    assert not np.allclose(play(network, obs)[0], play(network, turned)[0], atol=1e-4)


def test_observations_they_cannot_read():
    flat = GraphSpec((NodeType("job", 2, (F,)),), segments=(Segment("job"),))
    for encoder in ("dag", "deepsocs"):
        with pytest.raises(InputError, match=f"encoder '{encoder}': this observation has no list or pointer edge from"):
            make_network(flat, encoder)
        env = JobShopVectorEnv(1, observation="graph")
        logits, _ = play(make_network(env.graph, encoder), env.reset(seed=0)[0])
        assert np.isfinite(logits).all()
    with pytest.raises(InputError, match=r"encoder 'deepsocs': no action points at nodes 'task' .*action='task'"):
        make_network(soc(segments=(Segment("pe"),)), "deepsocs")
    alone = GraphSpec((NodeType("op", 3, (F,)),), (EdgeType("next", "op", "op", "pointer"),), segments=(Segment("op"),))
    with pytest.raises(InputError, match="encoder 'deepsocs': nodes 'op' point at nothing they belong to"):
        make_network(alone, "deepsocs")
    make_network(alone, "dag")


# Earliest finish first is within reach of the head on dense edges.


def finishing(rows, seed, ready=4, pes=5):
    """Return observations of ready tasks and PEs whose edges hold w, D and EFT, and the pair of least EFT."""
    times = tuple(type(F)(name, -1000, 1000) for name in ("w", "data", "eft"))
    spec = GraphSpec(
        (NodeType("ready", ready, (F,)), NodeType("pe", pes, (F,))),
        (EdgeType("ready_pe", "ready", "pe", "dense", features=times),),
        context=(F,),
        segments=(Segment("ready_pe"),),
    )
    rng, obs = np.random.default_rng(seed), spec.allocate(rows)
    shape = (rows, ready, pes)
    free = rng.exponential(0.6, (rows, 1, pes))
    w, data = rng.uniform(0.02, 0.6, shape), rng.exponential(0.1, shape)
    eft = np.maximum(free, data) + w
    obs["ready_pe"][:] = np.stack([w, data, eft], -1)
    obs["pe"][:] = free.transpose(0, 2, 1)
    obs["ready"][:] = eft.min(2, keepdims=True)
    obs["ready_mask"][:], obs["pe_mask"][:] = 1, 1
    obs["action_mask"][:] = (rng.random(shape) < 0.8).reshape(rows, -1)
    obs["action_mask"][:, 0] = 1
    return (
        spec,
        tensors(obs),
        torch.from_numpy(np.where(obs["action_mask"] != 0, eft.reshape(rows, -1), np.inf)).float(),
    )


def test_gradients_reach_the_features_of_edges():
    spec, obs, _ = finishing(8, 0)
    network = make_network(spec, "pointer")
    obs["ready_pe"].requires_grad_()
    network(obs)[0][:, 0].sum().backward()
    grad = obs["ready_pe"].grad
    assert (grad[:, 0, 0] != 0).all()
    assert (grad[:, 1:] == 0).all()


def test_the_head_on_dense_edges_learns_earliest_finish_first():
    """From a softmax over -k EFT; what is judged is the agreement with the argmin on other observations."""
    torch.manual_seed(0)
    spec, obs, eft = finishing(6_000, 1)
    network = make_network(spec, "pointer", width=16, layers=1, hidden=32)
    for layer in network.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    target = (-100 * eft).softmax(-1)
    steps = 1_200
    optimizer = torch.optim.Adam(network.parameters())
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / steps) + 1e-5
        at = torch.randint(len(eft), (128,))
        logits, _ = network({key: part[at] for key, part in obs.items()})
        loss = -(target[at] * logits.log_softmax(-1)).sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimizer.step()
    _, others, eft = finishing(3_000, 2)
    with torch.no_grad():
        agreed = network(others)[0].argmax(-1) == eft.argmin(-1)
    assert agreed.float().mean() > 0.98
