"""A real S3 server on this machine, for as long as it is needed."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from typing_extensions import Self

_HOST = "127.0.0.1"
_PORTS = ("s3", "master", "volume", "filer", "admin")
_GRPC_OFFSET = 10_000
_PATIENCE, _FAREWELL = 60.0, 10.0
_OFF = ("-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0")


class S3Server:
    """SeaweedFS, which listens on the loopback interface only and keeps its files in one folder.

    Attributes:
        url: Where it answers.
    """

    def __init__(self, folder: Path, credentials: Any) -> None:
        """Prepare a server whose files are in `folder` and which accepts the credentials of a boto3 session."""
        ports = {name: _free_port() for name in _PORTS}
        self._ports = [each + offset for each in ports.values() for offset in (0, _GRPC_OFFSET)]
        self.url = f"http://{_HOST}:{ports['s3']}"
        self._folder = folder
        self._command = [
            _program(), "mini", f"-dir={folder}", f"-ip={_HOST}", f"-ip.bind={_HOST}", *_OFF,
            *(f"-{name}.port={port}" for name, port in ports.items()),
        ]  # fmt: skip
        self._environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        }

    def __enter__(self) -> Self:
        """Start the server and return it once it answers."""
        with (self._folder / "weed.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - arguments of our own
                self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the server that was started here, and no other, and remove its sockets."""
        self._process.terminate()
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for port in self._ports:
            for socket_of_server in Path(tempfile.gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
                socket_of_server.unlink(missing_ok=True)

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                message = f"SeaweedFS does not start: {(self._folder / 'weed.log').read_text()[-2000:]}"
                raise RuntimeError(message)
            try:
                with urlopen(f"{self.url}/status", timeout=5) as answer:  # noqa: S310 - http, as written above
                    answer.read()
            except (URLError, OSError):
                time.sleep(0.05)
            else:
                return


def _program() -> str:
    """Return the server's program: the one beside this Python, else the one on the path."""
    return (
        shutil.which("weed", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
        or "weed"
    )


def _free_port() -> int:
    """Return a port which is free, as is the one that the server takes for gRPC beside it."""
    while True:
        port = random.randint(20_000, 32_000)  # noqa: S311 - no secret; below what systems give to clients
        if _is_free(port) and _is_free(port + _GRPC_OFFSET):
            return port


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex((_HOST, port)) != 0
