"""The server of other tests: it comes up although a port is taken just before, and is not mistaken for another."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import servers
from .proxy import Proxy


def test_a_port_that_is_taken_at_the_last_moment(
    s3_server: servers.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process of the tests has a server there, which answers: ours begins again on other ports."""
    free = servers._free_ports
    with Proxy(str(s3_server.endpoint_url)) as another:
        taken = free() | {"s3": int(another.endpoint_url.rpartition(":")[2])}
        given = [taken]
        monkeypatch.setattr(servers, "_free_ports", lambda: given.pop() if given else free())
        with servers.seaweedfs(tmp_path / "weed") as server:
            assert server.endpoint_url != another.endpoint_url
            server.client().create_bucket(Bucket="only-here")
            assert "only-here" not in [each["Name"] for each in s3_server.client().list_buckets()["Buckets"]]


def test_ports_that_are_always_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> None:
    """After three tries it is an error that shows what the server said."""
    asked = []

    def always_taken() -> dict[str, int]:
        asked.append(1)
        return free() | {"s3": int(proxy.endpoint_url.rpartition(":")[2])}

    free = servers._free_ports
    monkeypatch.setattr(servers, "_free_ports", always_taken)
    with pytest.raises(RuntimeError, match="is not available"), servers.seaweedfs(tmp_path / "weed"):
        pytest.fail("it runs")
    assert len(asked) == 3
