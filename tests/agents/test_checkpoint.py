"""Checkpoints: what comes back, what is refused, what a crash leaves."""

import json
import pickle
import struct
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.job_shop.env import JobShopVectorEnv

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")
safetensors_torch = pytest.importorskip("safetensors.torch")

from ganttlet_agents.policy import checkpoint, shipped  # noqa: E402
from ganttlet_agents.policy.checkpoint import (  # noqa: E402
    Card,
    check_device,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from ganttlet_agents.policy.shipped import CARD, WEIGHTS, find_checkpoint, shipped_names  # noqa: E402
from policies import make_network, make_spec, play, random_obs, tensors  # noqa: E402

ENV = "ganttlet/JobShop-v0"


def make_card(network, **fields):
    plain = {"family": "job_shop", "env_id": ENV, "env_kwargs": {"timing": "active", "observation": "machines"}}
    return Card(**{**plain, "network": network.config.to_dict(), "schema": network.schema.data, **fields})


def save(folder, network=None, **fields):
    network = network or make_network(make_spec())
    save_checkpoint(folder, network, make_card(network, **fields))
    return folder / WEIGHTS


def read(path):
    """Return the header and the data of a safetensors file."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + size]), raw[8 + size :]


def write(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def change_card(path, change):
    """Rewrite a checkpoint with its card changed, the weights untouched."""
    header, data = read(path)
    card = json.loads(header["__metadata__"]["card"])
    changed = change(card)
    header["__metadata__"]["card"] = json.dumps(changed if isinstance(changed, list) else card)
    write(path, header, data)


def refused(path):
    """Return the one error of loading, which must be InputError itself and one line that names ``path``."""
    with pytest.raises(InputError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert type(caught.value) is InputError
    assert str(path) in message
    assert "\n" not in message
    return message


# What comes back.


@pytest.mark.parametrize(
    ("encoder", "dense"), [("attention", True), ("pointer", False), ("gnn", False), ("tree", False)]
)
def test_a_round_trip_is_exact(tmp_path, encoder, dense):
    spec = make_spec(dense=dense)
    network, obs = make_network(spec, encoder), random_obs(spec, 5)
    save(tmp_path, network)
    loaded = load_checkpoint(tmp_path)
    logits, values = play(network, obs)
    again, others = play(loaded.network, obs)
    assert np.array_equal(logits, again)
    assert np.array_equal(values, others)
    assert np.array_equal(loaded.scorer()(obs), logits)
    assert not loaded.network.training
    assert all(one.requires_grad for one in loaded.network.parameters())
    assert list(loaded.network.schema.nodes) == list(network.schema.nodes) == ["task", "place", "bare"]


def test_loading_leaves_the_random_state_and_the_file_alone(tmp_path):
    path = save(tmp_path, make_network(make_spec(dense=False), "gnn"))
    before, raw = torch.get_rng_state(), path.read_bytes()
    loaded = load_checkpoint(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        for parameter in loaded.network.parameters():
            parameter.zero_()
    assert path.read_bytes() == raw


def test_the_card(tmp_path):
    network = make_network(make_spec())
    fields = {"decoding": {"temperature": 0.5}, "training": {"command": "train.py", "seed": 3}}
    path = save(tmp_path, network, **fields)
    card = load_checkpoint(path).card
    assert card == make_card(network, **fields)
    assert card.schema_digest == make_spec().digest == load_checkpoint(path).card.schema_digest
    assert card.version
    assert card.format == 1
    for_people = json.loads((tmp_path / CARD).read_text(encoding="utf-8"))
    assert for_people == {**asdict(card), "schema_digest": card.schema_digest}
    assert sorted(file.name for file in tmp_path.iterdir()) == [CARD, WEIGHTS]


def test_nothing_reads_the_copy_for_people(tmp_path):
    save(tmp_path)
    (tmp_path / CARD).unlink()
    load_checkpoint(tmp_path)
    (tmp_path / CARD).write_text("{", encoding="utf-8")
    load_checkpoint(tmp_path)


def test_width_64_is_less_than_a_megabyte(tmp_path):
    graph = JobShopVectorEnv(1, observation="machines").graph
    path = save(tmp_path, make_network(graph, width=64, layers=2, heads=4, hidden=128))
    assert path.stat().st_size < 1_000_000


# Crashes.


def test_a_crash_between_the_two_writes(tmp_path, monkeypatch):
    old, new = make_network(make_spec(), seed=1), make_network(make_spec(), seed=2)
    save(tmp_path, old, training={"seed": 1})
    real, calls = checkpoint.write_atomic, []

    def failing(path, data):
        calls.append(Path(path).name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(checkpoint, "write_atomic", failing)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, new, training={"seed": 2})
    assert calls == [WEIGHTS, CARD]
    loaded, obs = load_checkpoint(tmp_path), random_obs(make_spec(), 2)
    assert loaded.card.training == {"seed": 2}
    assert np.array_equal(play(loaded.network, obs)[0], play(new, obs)[0])


def test_a_crash_in_the_first_write_leaves_the_one_before(tmp_path, monkeypatch):
    save(tmp_path, training={"seed": 1})

    def failing(source, target):
        raise OSError("disk full")

    monkeypatch.setattr("ganttlet.core.record.os.replace", failing)
    with pytest.raises(OSError, match="disk full"):
        save(tmp_path, training={"seed": 2})
    assert load_checkpoint(tmp_path).card.training == {"seed": 1}
    assert sorted(file.name for file in tmp_path.iterdir()) == [CARD, WEIGHTS]


# Damage.


@pytest.mark.parametrize("keep", [0, 4, 8, 100, 0.5, -1])
def test_a_truncated_file(tmp_path, keep):
    path = save(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep) if isinstance(keep, float) else keep])
    assert "damaged" in refused(path)


def test_bytes_flipped_in_the_header(tmp_path):
    """Whatever it breaks is an InputError; what still loads has the same weights and plays the same."""
    spec = make_spec(dense=False)
    path = save(tmp_path, make_network(spec, "pointer", layers=1))
    raw, obs = path.read_bytes(), random_obs(spec, 1)
    expected = play(load_checkpoint(path).network, obs)[0]
    size = 8 + struct.unpack("<Q", raw[:8])[0]
    rng = np.random.default_rng(0)
    survived, wrong = 0, []
    for at in [*range(8), *rng.choice(np.arange(8, size), 300, replace=False)]:
        broken = bytearray(raw)
        broken[at] ^= 1 << int(rng.integers(7))
        path.write_bytes(broken)
        try:
            loaded = load_checkpoint(path)
        except InputError as error:
            named = str(path) in str(error)
            wrong += [] if named else [(at, str(error))]
        else:
            survived += 1
            same = np.array_equal(play(loaded.network, obs)[0], expected)
            wrong += [] if same else [(at, "plays otherwise")]
    assert wrong == []
    assert survived < 40  # spaces, and texts that say how it was made


def test_a_foreign_file(tmp_path):
    path = tmp_path / WEIGHTS
    safetensors_torch.save_file({"weight": torch.zeros(2)}, path)
    assert "no card in its header" in refused(path)
    path.write_bytes(pickle.dumps({"weight": [0.0]}))
    assert "damaged" in refused(path)


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_is_unpickled(tmp_path):
    trace = tmp_path / "executed"
    path = tmp_path / WEIGHTS
    torch.save({"weight": Trap(trace)}, path)
    refused(path)
    assert not trace.exists()
    raw = save(tmp_path).read_bytes()
    assert b"PK\x03\x04" not in raw[:8]
    header, data = read(tmp_path / WEIGHTS)
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"F32"}
    assert len(data) == sum(value.numel() * 4 for value in make_network(make_spec()).state_dict().values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.pop("context.bias"), "weight 'context.bias' is missing"),
        (lambda found: found.update(more=torch.zeros(1)), "weight 'more' is unknown to this network"),
        (
            lambda found: found.update({"context.bias": torch.zeros(9)}),
            r"weight 'context.bias' has shape (9,), expected (8,)",
        ),
        (
            lambda found: found.update({"context.bias": torch.zeros(8, dtype=torch.int32)}),
            "weight 'context.bias' has dtype torch.int32, expected torch.float32",
        ),
    ],
)
def test_weights_that_do_not_fit(tmp_path, change, message):
    path = save(tmp_path)
    header, _ = read(path)
    weights = safetensors_torch.load_file(path)
    change(weights)
    safetensors_torch.save_file(weights, path, metadata=header["__metadata__"])
    assert message in refused(path)
    network = make_network(make_spec())
    before = play(network, random_obs(make_spec(), 1))[0]
    with pytest.raises(InputError) as caught:
        load_weights(network, weights, "here")
    assert str(caught.value) == f"here: {message}"
    assert np.array_equal(play(network, random_obs(make_spec(), 1))[0], before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.update(format=2), "field 'format' is 2, expected 1"),
        (lambda card: card.pop("format"), "field 'format' is None, expected 1"),
        (lambda card: [card], "field 'format' is None"),
        (lambda card: card.pop("env_id"), "card: field 'env_id' is missing"),
        (lambda card: card.pop("schema_digest"), "card: field 'schema_digest' is missing"),
        (lambda card: card.update(colour="red"), "card: unknown key 'colour'"),
        (lambda card: card.update(family=3), "card: field 'family': expected a text, got 3"),
        (lambda card: card.update(env_kwargs=[]), "card: field 'env_kwargs': expected a mapping, got []"),
        (lambda card: card.update(training=None), "card: field 'training': expected a mapping"),
        (lambda card: card.update(network=[]), "card: field 'network': expected a mapping"),
        (lambda card: card["network"].update(encoder="mlp"), "network: encoder: unknown value 'mlp'"),
        (lambda card: card["network"].update(width="8"), "network: width: expected an integer"),
        (lambda card: card["network"].update(width=-8), "network: width: expected an integer"),
        (lambda card: card["network"].update(width=2**70), "network: width: expected an integer"),
        (lambda card: card["network"].update(width=65536), "has shape (8, 12), expected (65536, 12)"),
        (lambda card: card["network"].update(heads=3), "network: width 8 is not a multiple of heads 3"),
        (lambda card: card["network"].update(layers=9), "is missing"),
        (lambda card: card["network"].update(depth=1), "network: unknown key 'depth'"),
        (lambda card: card["network"].update(encoder="gnn"), "weight 'encoder.convs"),
        (lambda card: card["schema"]["context"].reverse(), "field 'schema' is damaged"),
        (lambda card: card["schema"].pop("nodes"), "schema: cannot be read (KeyError: 'nodes')"),
        (lambda card: card["schema"]["focus"].update(here="there"), "schema: focus.here: unknown value 'there'"),
    ],
)
def test_a_damaged_card(tmp_path, change, message):
    path = save(tmp_path)
    change_card(path, change)
    assert message in refused(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"format": NaN', '{"format": ' + "1" * 5000 + "}"])
def test_a_card_that_is_no_json(tmp_path, text):
    path = save(tmp_path)
    header, data = read(path)
    header["__metadata__"]["card"] = text
    write(path, header, data)
    assert "the card is damaged" in refused(path)


# Devices.


@pytest.mark.parametrize("device", ["nonsense", "", "meta", "cuda:99", "cpu:x", "xla", "vulkan", None])
def test_a_device_that_is_not_there(tmp_path, device):
    save(tmp_path)
    for call in (check_device, lambda name: load_checkpoint(tmp_path, name)):
        with pytest.raises(InputError, match=r"device .*: not available \(.*expected auto, cpu or cuda") as caught:
            call(device)
        assert "\n" not in str(caught.value)


def test_cuda_and_auto(tmp_path, monkeypatch):
    save(tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="device 'cuda': not available"):
            load_checkpoint(tmp_path, "cuda")
        assert load_checkpoint(tmp_path, "auto").device == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert check_device("auto") == torch.device("cuda")


def test_a_device_whose_error_is_silent(monkeypatch):
    def failing(*args, **options):
        raise AssertionError

    monkeypatch.setattr(torch, "zeros", failing)
    with pytest.raises(InputError, match=r"not available \(AssertionError\)"):
        check_device("cpu")


# Finding one.


def test_where_a_checkpoint_is_looked_for(tmp_path):
    run = tmp_path / "run"
    for within in ("checkpoints/last", "checkpoints/best", "best", ""):
        path = save(run / within, training={"at": within})
        assert find_checkpoint(run) == path
        assert load_checkpoint(str(run)).card.training == {"at": within}
        assert find_checkpoint(path) == path
    other = tmp_path / "other.safetensors"
    other.write_bytes(path.read_bytes())
    assert load_checkpoint(other).card.training == {"at": ""}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Ship two policies and two folders that are none."""
    root = tmp_path / "package"
    for name in ("job_shop", "also"):
        save(root / name, training={"shipped": name})
    (root / "empty").mkdir()
    (root / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(shipped, "shipped_root", lambda: root)
    monkeypatch.chdir(tmp_path)
    return root


def test_a_path_wins_over_a_shipped_name(shelf, tmp_path):
    assert shipped_names() == ["also", "job_shop"]
    assert load_checkpoint("job_shop").card.training == {"shipped": "job_shop"}
    # A folder of that name without a checkpoint does not hide it.
    (tmp_path / "job_shop").mkdir()
    assert load_checkpoint("job_shop").card.training == {"shipped": "job_shop"}
    save(tmp_path / "job_shop", training={"own": True})
    assert load_checkpoint("job_shop").card.training == {"own": True}
    assert load_checkpoint(Path("also")).card.training == {"shipped": "also"}


@pytest.mark.parametrize(
    "name", ["absent", "empty", "file", "../package/empty", "x" * 5000, "a\0b", "absent.safetensors"]
)
def test_no_checkpoint_there(shelf, name):
    with pytest.raises(InputError) as caught:
        find_checkpoint(name)
    assert str(caught.value).startswith(f"policy {name!r}: no checkpoint there")
    assert "a shipped policy (also, job_shop), a run folder, or a folder with policy.safetensors" in str(caught.value)


def test_nothing_is_shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "shipped_root", lambda: tmp_path / "absent")
    assert shipped_names() == []
    with pytest.raises(InputError, match=r"shipped policy \(\(none\)\)"):
        find_checkpoint(tmp_path)


def test_what_is_shipped_can_be_loaded():
    for name in shipped_names():
        path = find_checkpoint(name)
        loaded = load_checkpoint(name)
        assert path.stat().st_size < 1_000_000
        assert (
            json.loads(path.with_name(CARD).read_text(encoding="utf-8"))["schema_digest"] == loaded.card.schema_digest
        )
        assert {"command", "seed"} <= set(loaded.card.training)


# Other observations.


def test_check_graph_names_the_field(tmp_path):
    loaded = load_checkpoint(save(tmp_path))
    loaded.check_graph(make_spec(9, 8, 7))
    other = replace(make_spec(), context=make_spec().context[::-1])
    with pytest.raises(
        InputError, match=r"here: its observation is not .*: context: in another order; make it with {'timing"
    ):
        loaded.check_graph(other, "here")


def test_a_scorer_takes_arrays_as_they_come(tmp_path):
    spec = make_spec()
    network, obs = make_network(spec), random_obs(spec, 4)
    save(tmp_path, network)
    score = load_checkpoint(tmp_path).scorer()
    found = score({key: part[::2] for key, part in obs.items()})
    with torch.no_grad():
        expected = network(tensors({key: part[::2] for key, part in obs.items()}))[0]
    assert np.array_equal(found, expected.numpy())
    assert found.dtype == np.float32
