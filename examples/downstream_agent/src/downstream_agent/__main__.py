"""Ask the parcel desk: `python -m downstream_agent ada "Where is parcel P-7?"`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from strands.models import Model

from .desk import build_agent, open_session
from .parcels import ParcelFile


def main(arguments: Sequence[str] | None = None, model: Model | None = None) -> None:
    """Print the answer to one question of a customer."""
    parser = argparse.ArgumentParser(prog="downstream_agent", description=__doc__)
    parser.add_argument("customer")
    parser.add_argument("question")
    parser.add_argument("--db", type=Path, default=Path("desk.db"), help="what was said (default: desk.db)")
    parser.add_argument("--parcels", type=Path, default=Path("parcels.json"), help="default: parcels.json")
    given = parser.parse_args(arguments)
    with open_session(given.customer, given.db) as session:
        print(str(build_agent(session, ParcelFile(given.parcels), model)(given.question)).strip())


if __name__ == "__main__":
    main()
