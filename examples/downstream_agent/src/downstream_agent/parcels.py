"""Where parcels are."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Locate: TypeAlias = Callable[[str], str]
"""Says where the parcel with a number is; raises `LookupError` where there is none."""


@dataclass(frozen=True)
class ParcelFile:
    """What the carrier writes down: a JSON object of numbers and places.

    Attributes:
        path: The file, read anew for each question.
    """

    path: Path

    def __call__(self, number: str) -> str:
        """Return where a parcel is.

        Raises:
            LookupError: There is no such parcel.
            OSError: The file cannot be read.
        """
        places: dict[str, str] = json.loads(self.path.read_text(encoding="utf-8"))
        if number not in places:
            message = f"there is no parcel {number}"
            raise LookupError(message)
        return places[number]
