"""What goes over the wire, counted, and kept out of messages where it is secret."""

from __future__ import annotations

import re
import threading
from collections import Counter
from typing import Any

_SIGNED = re.compile(r"(?i)\b(x-amz-(?:signature|credential|security-token)|signature|awsaccesskeyid)=[^&\s\"'<>]*")
_USER_INFO = re.compile(r"//[^/@\s]*@")
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)")


class Traffic:
    """What was sent and received, counted, and what of it must not stand in a message.

    Attributes:
        requests: How many HTTP requests were made of each operation, repeated ones included.
        sent: Bytes of the bodies that went out.
        received: Bytes of the bodies of objects that came in.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self.requests: Counter[str] = Counter()
        self.sent = 0
        self.received = 0
        self._secrets: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def watch(self, client: Any) -> None:
        """Count every request that `client` makes from now on."""
        client.meta.events.register_first("before-send.s3", self._count)

    def add_received(self, size: int) -> None:
        """Count the body of an object."""
        with self._lock:
            self.received += size

    def redact(self, text: str) -> str:
        """Return `text` without what a request was signed with, should a server or a client repeat it."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _USER_INFO.sub("//***@", _SIGNED.sub(r"\1=***", text))

    def _count(self, *, event_name: str, request: Any, **_: Any) -> None:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        credential = _CREDENTIAL.search(headers.get("authorization", ""))
        secrets = {credential.group(1) if credential else "", headers.get("x-amz-security-token", "")} - {""}
        with self._lock:
            self.requests[event_name.rpartition(".")[2]] += 1
            self.sent += int(headers.get("content-length", 0))
            self._secrets = frozenset(secrets)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
