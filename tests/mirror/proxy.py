"""A proxy in front of an S3 server that fails as a test tells it to, at the n-th request of a kind."""

from __future__ import annotations

import http.client
import socket
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .servers import ADMIN

Effect = Literal[
    "cut_before",
    "cut_after",
    "cut_body",
    "damage",
    "echo",
    "hang",
    "ignore_conditions",
    "conflict",
    "failed",
    "forbidden",
    "key_refused",
    "no_md5",
    "not_implemented",
    "other_region",
    "skewed",
    "slow_down",
]
"""What happens to a request.

- `cut_before`: the connection ends before the server hears of it; `cut_after`: when the server has done it.
- `cut_body`: the answer ends in the middle of its body; `damage`: its first byte is another.
- `echo`: 400, and the message repeats what the request was signed with.
- `hang`: no answer, until the proxy is closed.
- `ignore_conditions`: it is forwarded without If-Match and If-None-Match.
- The others are answers of S3, below.
"""

ANSWERS: dict[str | None, tuple[int, str]] = {
    "conflict": (409, "ConditionalRequestConflict"),  # another request for the key is at work
    "failed": (500, "InternalError"),
    "forbidden": (403, "AccessDenied"),
    "no_md5": (400, "MissingContentMD5"),
    "not_implemented": (501, "NotImplemented"),
    "other_region": (301, "PermanentRedirect"),
    "skewed": (403, "RequestTimeTooSkewed"),
    "slow_down": (503, "SlowDown"),  # throttled
}

_CONDITIONS = {"if-match", "if-none-match"}
_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}


class Seen(NamedTuple):
    """A request that came."""

    operation: str
    path: str
    headers: dict[str, str]


class _Rule(NamedTuple):
    applies: Callable[[str, int, int], bool]
    effect: Effect


class Proxy:
    """A proxy on a port of its own.

    Attributes:
        seen: Every request that came, in order, repeated ones included.
        counts: How many there were of each operation.
    """

    def __init__(self, target: str) -> None:
        self.seen: list[Seen] = []
        self.counts: Counter[str] = Counter()
        self._target = urlsplit(target)
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._server = _Listener(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Proxy:  # noqa: PYI034 - Self is newer than Python 3.10
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint_url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def at(self, number: int, effect: Effect, operation: str | None = None) -> None:
        """Do this to the `number`-th request from the beginning, counted from 1; of one operation, if it is named."""
        if operation is None:
            self._add(lambda _, total, __: total == number, effect)
        else:
            self._add(lambda name, _, own: (name, own) == (operation, number), effect)

    def always(self, effect: Effect, operation: str | None = None) -> None:
        """Do this to every request, or to every one of an operation."""
        self._add(lambda name, _, __: operation in {None, name}, effect)

    def from_on(self, number: int, effect: Effect) -> None:
        """Do this to the `number`-th request, counted from 1, and to all behind it: the network is gone."""
        self._add(lambda _, total, __: total >= number, effect)

    def heal(self) -> None:
        """Forget all rules and begin to count again."""
        with self._lock:
            self._rules.clear()
            self.seen.clear()
            self.counts.clear()

    def _add(self, applies: Callable[[str, int, int], bool], effect: Effect) -> None:
        with self._lock:
            self._rules.append(_Rule(applies, effect))

    def effect_on(self, seen: Seen) -> Effect | None:
        """Note a request, and say what is to be done to it."""
        with self._lock:
            self.seen.append(seen)
            self.counts[seen.operation] += 1
            total, own = len(self.seen), self.counts[seen.operation]
            return next((rule.effect for rule in self._rules if rule.applies(seen.operation, total, own)), None)

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[Any, bytes]:
        """Ask the server."""
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()


def operation_of(method: str, path: str, headers: dict[str, str]) -> str:
    """The name that S3 has for a request."""
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    has_key = bool(parts.path.lstrip("/").partition("/")[2])
    if "list-type" in query:
        return "ListObjectsV2"
    if "delete" in query:
        return "DeleteObjects"
    if method == "PUT" and "x-amz-copy-source" in headers:
        return "CopyObject"
    return f"{method.title()}{'Object' if has_key else 'Bucket'}"


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a body waits up to 40 ms for the client to confirm the headers
    server: _Listener

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Print nothing."""

    def serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        effect = self.server.proxy.effect_on(Seen(operation_of(self.command, self.path, headers), self.path, headers))
        if effect in ANSWERS:
            status, code = ANSWERS[effect]
            self.answer(status, f"<Error><Code>{code}</Code><Message>As told.</Message></Error>")
        elif effect == "echo":
            signed = f"{headers.get('authorization')} {headers.get('x-amz-security-token')}"
            self.answer(400, f"<Error><Code>Odd</Code><Message>{signed}</Message></Error>")
        elif effect == "key_refused":
            refused = "<Error><Key>a</Key><Code>AccessDenied</Code><Message>As told.</Message></Error>"
            self.answer(200, f"<DeleteResult>{refused}</DeleteResult>")
        elif effect == "cut_before":
            self.cut()
        elif effect == "hang":
            self.server.proxy.closing.wait()
            self.cut()
        else:
            self.forward(headers, body, effect)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = serve  # noqa: N815 - the names in the standard library

    def forward(self, headers: dict[str, str], body: bytes, effect: Effect | None) -> None:
        kept = {name: value for name, value in headers.items() if name not in _HOP}
        if effect == "ignore_conditions":
            kept = _signed_anew(self.command, self.path, kept, body)
        answer, data = self.server.proxy.forward(self.command, self.path, kept, body)
        if effect == "cut_after":
            self.cut()
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", answer.headers.get("Content-Length", str(len(data))))
        self.end_headers()
        if effect == "damage":
            self.wfile.write(bytes([data[0] ^ 1]) + data[1:])
        elif effect == "cut_body":
            self.wfile.write(data[: len(data) // 2])
            self.cut()
        else:
            self.wfile.write(data)

    def answer(self, status: int, text: str) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else text.encode())

    def cut(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True


def _signed_anew(method: str, path: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
    """The headers without conditions; these were signed too, so the request needs another signature."""
    dropped = _CONDITIONS | {"authorization", "x-amz-date"}
    request = AWSRequest(
        method,
        f"http://{headers['host']}{path}",
        {name: value for name, value in headers.items() if name not in dropped},
        body,
    )
    S3SigV4Auth(Credentials(*ADMIN), "s3", "us-east-1").add_auth(request)
    return dict(request.headers.items())
