"""Addresses that cannot be joined, and what nodes must agree on."""

import socket

import pytest

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet_agents.cli import main
from ganttlet_agents.distributed import connect
from ganttlet_agents.distributed.backend import read_backend
from ganttlet_agents.distributed.identity import facts_here, first_difference

WORDS = ["run", "--instances", "job_shop:ft06", "--methods", "rule:spt"]


@pytest.mark.parametrize(
    "text", ["", "Ray", "ray:", "ray:host", "ray:host:0", "ray:host:70000", "ray://h:1", "local:1"]
)
def test_a_backend_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="--backend: got"):
        read_backend(text)


def test_a_missing_ray_is_named_with_its_command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ganttlet_agents.distributed.backend.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError):
        read_backend("ray:localhost:6379")
    assert main([*WORDS, "--backend", "ray"], within="evaluate") == 2
    assert capsys.readouterr().err == "error: ray is not installed; get it with: pip install 'ganttlet[ray]'\n"
    assert not list(tmp_path.iterdir())


def test_an_address_where_nobody_answers_is_told(monkeypatch, capsys, tmp_path):
    ray = pytest.importorskip("ray", reason="needs the ray extra")
    # Other tests of this process may have joined a cluster.
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert main([*WORDS, "--backend", f"ray:127.0.0.1:{port}"], within="evaluate") == 2
    assert f"no Ray cluster answers at 127.0.0.1:{port} within 20 s" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_something_else_at_the_address_is_told_in_time(monkeypatch, capsys):
    ray = pytest.importorskip("ray", reason="needs the ray extra")
    # Other tests of this process may have joined a cluster.
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(connect, "ANSWER_WITHIN", 3.0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = "{}:{}".format(*other.getsockname())
        assert main([*WORDS, "--backend", f"ray:{address}"], within="evaluate") == 2
    assert f"no Ray cluster answers at {address} within 3 s" in capsys.readouterr().err


def test_facts_name_versions_code_and_configurations():
    facts = facts_here(lambda: {"digest of ft06": "1"})
    assert {"version of python", "version of numpy", "code of ganttlet", "code of ganttlet_agents", "configs"} < set(
        facts
    )
    assert facts["digest of ft06"] == "1"
    assert first_difference(facts, facts) is None
    other = {**facts, "code of ganttlet": "other"}
    assert first_difference(other, facts) == f"code of ganttlet is other there, {facts['code of ganttlet']} here"
    del other["code of ganttlet"]
    assert first_difference(other, facts) == f"code of ganttlet is missing there, {facts['code of ganttlet']} here"
