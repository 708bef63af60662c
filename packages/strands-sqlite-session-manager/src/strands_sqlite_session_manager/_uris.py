"""`file:` URIs, as SQLite takes them."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qsl, quote, unquote

from ._new_files import create_private

_URI = re.compile(r"(file:(?://(?:localhost)?(?=/))?)([^?#]*)(?:\?([^#]*))?.*", re.DOTALL)
_MODE_RWC = re.compile("(?:^|&)mode=rwc(?=&|$)")
_FILE_SYSTEMS = ("unix", "win32")


def absolute_uri(uri: str) -> str:
    """Return a `file:` URI that leads to the same file from every working folder, and for every later connection.

    What is in memory has no folder. That SQLite may create the file is so without being asked for; a connection that
    is opened later may not, and SQLite would refuse it the mode.
    """
    match = _URI.match(uri)
    if match is None:
        return uri
    start, end = match.span(3) if match[3] else (len(uri), len(uri))
    uri = f"{uri[:start]}{_MODE_RWC.sub('', uri[start:end])}{uri[end:]}"
    name = _file_of(uri)[0]
    if not name or name.startswith("/") or os.path.isabs(name):
        return uri
    folder = os.path.join(os.getcwd(), "").replace(os.sep, "/").lstrip("/")
    return f"file:/{quote(os.fsencode(folder), safe='/:')}{uri[match.start(2) :]}"


def _file_of(uri: str) -> tuple[str, str]:
    """Return the file that SQLite takes a `file:` URI to name, and the mode, both empty where it says nothing of these.

    See https://sqlite.org/uri.html. What is in memory has no file, and a VFS of another program names its own.
    """
    match = _URI.match(uri)
    if match is None or (match[1] == "file:" and match[2].startswith("//")):  # another machine, which SQLite refuses
        return "", ""
    name = unquote(match[2], errors="surrogateescape").partition("\0")[0]
    options = dict(parse_qsl(match[3] or "", keep_blank_values=True))
    mode = options.get("mode", "")
    own = options.get("vfs", "unix").startswith(_FILE_SYSTEMS)
    return ("" if name == ":memory:" or mode == "memory" or not own else name), mode


def create_file_of(uri: str) -> None:
    """Create the file of a `file:` URI for this user only, where SQLite would create it for others to read too."""
    name, mode = _file_of(uri)
    name = name and os.path.realpath(name)
    if not mode and os.path.isdir(os.path.dirname(name)) and not os.path.exists(name):
        create_private(name)
