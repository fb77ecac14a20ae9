"""Decoder glimpse against a plain twin, encoder flat, what they refuse, and short runs on UAM fleets."""

import math

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.graph import Segment
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.features import OBSERVATIONS

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from ganttlet_agents.policy.checkpoint import load_checkpoint  # noqa: E402
from ganttlet_agents.policy.config import NetworkConfig  # noqa: E402
from ganttlet_agents.policy.decoder import Glimpse  # noqa: E402
from ganttlet_agents.settings import build  # noqa: E402
from ganttlet_agents.training.config import TrainConfig  # noqa: E402
from ganttlet_agents.training.folder import RunFolder  # noqa: E402
from ganttlet_agents.training.loop import Trainer  # noqa: E402
from policies import close, enlarge, linear, make_network, make_spec, play, random_obs, tensors  # noqa: E402

NODES = (Segment("place", 3), Segment("task", 2, "task"), Segment("context", 2))
SPEC = make_spec(dense=False, segments=NODES)
TOKENS = ("task", "place")


# Glimpse.


def test_a_glimpse_is_the_formula():
    glimpse = Glimpse(5, 8, 2, 3)
    rows = [0, 0, 0, 2]
    whole, embedded = torch.randn(3, 5), torch.randn(4, 8)
    found = glimpse(whole, torch.tensor(rows), embedded)
    for m, row in enumerate(rows):
        some = [embedded[i] for i, other in enumerate(rows) if other == row]
        query, heard = linear(glimpse.query, whole[row]), []
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            weights = torch.stack(
                [query[part] @ linear(glimpse.pair, one)[:8][part] / math.sqrt(4) for one in some]
            ).softmax(0)
            heard.append(sum(w * linear(glimpse.pair, one)[8:][part] for w, one in zip(weights, some, strict=True)))
        heard = linear(glimpse.out, torch.cat(heard))
        for logit in range(3):
            key = glimpse.key.weight[8 * logit : 8 * logit + 8].T
            assert close(found[m, logit], (key @ embedded[m]) @ heard / math.sqrt(8))


def test_a_glimpse_of_nothing():
    assert Glimpse(5, 8, 2, 3)(torch.randn(2, 5), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 8)).shape == (0, 3)


@pytest.mark.parametrize("encoder", ["attention", "pointer"])
def test_candidates_are_judged_beside_the_legal_ones(encoder):
    """Padding changes nothing; what is no candidate of a segment is not heard by its glimpse."""
    network = make_network(SPEC, encoder, decoder="glimpse")
    obs = random_obs(SPEC, 8, 1)
    (logits, values), (more, moved) = (
        play(network, obs),
        enlarge(SPEC, make_spec(9, 8, 3, 9, 8, segments=NODES, dense=False), obs),
    )
    again, valued = play(network, more)
    assert np.allclose(again[:, moved], logits, rtol=1e-4, atol=1e-4)
    assert np.allclose(valued, values, rtol=1e-4, atol=1e-4)
    places = 3 * SPEC.node("place").count
    fewer = {**obs, "action_mask": obs["action_mask"].copy()}
    fewer["action_mask"][:, :3] = 0
    after = play(network, fewer)[0]
    concerned = (obs["action_mask"][:, :3] != 0).any(1) & (obs["action_mask"][:, 3:places] != 0).any(1)
    changed = (np.abs(after - logits) > 1e-4)[:, 3:places].any(1)
    assert concerned.any()
    assert not changed[~concerned].any()
    assert changed[concerned].all()
    assert np.allclose(after[:, -2:], logits[:, -2:], atol=1e-5)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (make_spec(dense=False), {}, "decoder 'glimpse': actions point at edges 'may'"),
        (make_spec(segments=(Segment("context", 2),), dense=False), {}, "decoder 'glimpse': no action points at nodes"),
        (SPEC, {"heads": 3}, "network: width 8 is not a multiple of heads 3"),
    ],
)
def test_what_a_glimpse_refuses(spec, shape, message):
    with pytest.raises(InputError, match=message):
        make_network(spec, "pointer", decoder="glimpse", **shape)


# The perceptron.


@pytest.mark.parametrize("crowded", [0.0, 1.0])
def test_flat_is_a_perceptron_of_numbered_nodes(crowded, monkeypatch):
    """Its logits from plain vectors, nodes moved together or not; and what pads a batch changes nothing."""
    monkeypatch.setattr("ganttlet_agents.policy.batch.CROWDED", crowded)
    network = make_network(SPEC, "flat", slots=5)
    obs = random_obs(SPEC, 8, 3)
    logits, _ = play(network, obs)
    assert sorted(network.inputs) == ["bare"]
    with torch.no_grad():
        for row in range(8):
            vector = [torch.asinh(torch.from_numpy(obs["context"][row]))]
            for name, keys in (("task", ("task", "task_static")), ("place", ("place_static",))):
                places = torch.zeros(5, sum(obs[key].shape[2] for key in keys) + 1)
                for item in np.flatnonzero(obs[f"{name}_mask"][row]):
                    values = [torch.asinh(torch.from_numpy(obs[key][row, item])) for key in keys]
                    places[item] = torch.cat([*values, torch.ones(1)])
                vector.append(places.flatten())
            made = network.encoder.net(torch.cat(vector)).view(2, 5, 8)
            around = linear(network.context, vector[0]) + network.phase.weight[int(obs["phase"][row, 0])]
            for focus, kind in (("chosen", 0), ("here", 1)):
                at = obs[f"focus_{focus}"][row, 0]
                around = around + (linear(network.focus[focus], made[kind, at]) if at >= 0 else 0)
            for action in np.flatnonzero(obs["action_mask"][row]):
                segment, item, logit = SPEC.decode(action)
                if segment.over != "context":
                    head = network.heads[SPEC.segments.index(segment)]
                    expected = head(torch.cat([made[TOKENS.index(segment.over), item], around]))[logit]
                    assert math.isclose(expected, logits[row, action], rel_tol=1e-4, abs_tol=1e-4)
    more, moved = enlarge(SPEC, make_spec(9, 8, 3, 9, 8, segments=NODES, dense=False), obs)
    assert np.allclose(play(network, more)[0][:, moved], logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("encoder", "shape"),
    [("flat", {"slots": 5}), ("flat", {"slots": 5, "decoder": "glimpse"}), ("attention", {"decoder": "glimpse"})],
)
def test_gradients_reach_every_parameter(encoder, shape):
    network = make_network(SPEC, encoder, **shape)
    obs = random_obs(SPEC, 16, 1)
    logits, values = network(tensors(obs))
    (logits[torch.from_numpy(obs["action_mask"]) != 0].square().sum() + values.square().sum()).backward()
    some = {name: one.grad for name, one in network.named_parameters() if one.numel()}
    assert [name for name, grad in some.items() if grad is None or not grad.any()] == []


def test_flat_takes_no_more_nodes_than_it_has_places_for():
    network = make_network(SPEC, "flat", slots=3)
    obs = random_obs(SPEC, 2, 1)
    obs["task_mask"][:] = [[1, 1, 1, 0], [1, 0, 0, 0]]
    play(network, obs)
    obs["task_mask"][1, 3] = 1
    with pytest.raises(InputError, match=r"encoder 'flat': 4 nodes 'task', and this network has 3 places.*slots"):
        play(network, obs)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"encoder": "flat"}, "network: slots: expected at least 1 with encoder 'flat', got 0"),
        ({"slots": 4}, "network: slots: expected 0 without encoder 'flat', got 4"),
        ({"slots": -1}, "network: slots: expected an integer in 0"),
        ({"encoder": "flat", "slots": 4, "static_rounds": 1}, "network: static_rounds: expected 0 with encoder 'flat'"),
        ({"decoder": "linear"}, "network: decoder: .*mlp, glimpse"),
    ],
)
def test_settings_that_do_not_suit(data, message):
    with pytest.raises(InputError, match=message):
        NetworkConfig.from_dict(data)


# UAM fleets: what is trained, saved and loaded.

FLEET = {"name": "captain-2024", "ports": 4, "fleet": 6, "day_end": 480.0, "demand": 300}
NETWORKS = {
    "capsule": {"encoder": "capsule", "decoder": "glimpse"},
    "attention": {"encoder": "attention", "decoder": "glimpse"},
    "flat": {"encoder": "flat", "slots": 4},
}


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_short_run(name, observation, tmp_path):
    """PPO changes every weight, and the checkpoint of what it made plays like that."""
    options = {"observation": observation, "generator": FLEET}
    given = {
        "env": "ganttlet/UAMFleet-v0",
        "env_kwargs": options,
        "n_timesteps": 192,
        "network": {"width": 8, "layers": 1, "heads": 2, "hidden": 8, **NETWORKS[name]},
        "ppo": {"n_envs": 8, "n_steps": 12, "batch_size": 48, "n_epochs": 2},
        "validation": {"count": 2, "reference": "rule:greedy"},
        "threads": 1,
    }
    trainer = Trainer(build(TrainConfig, given, "here"), lambda status: None)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    folder = RunFolder.new(tmp_path, "uam_fleet", "one", True, trainer.config)
    assert trainer.run(folder) is None
    after = dict(trainer.network.named_parameters())
    assert [name for name, value in before.items() if value.numel() and torch.equal(value, after[name])] == []
    obs = UAMFleetVectorEnv(3, autoreset_mode="disabled", **options).reset(seed=1)[0]
    loaded = load_checkpoint(folder.path / "checkpoints" / "last")
    for one, other in zip(play(trainer.network, obs), play(loaded.network, obs), strict=True):
        assert np.isfinite(one).all()
        assert np.array_equal(one, other)
