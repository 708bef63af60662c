"""A process that pushes, and waits after each object until it is told to go on.

Usage: pushing_process.py DATABASE ENDPOINT BUCKET [RELEASE]
"""

from __future__ import annotations

import signal
import sys

import boto3

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._places import Places
from strands_sqlite_s3_mirror._push import Progress, push_live, push_release
from strands_sqlite_session_manager._schema import open_database


def tell(progress: Progress) -> None:
    """Say where the push is, and wait for a line."""
    sys.stdout.write(f"{progress.phase} {progress.done}\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main(path: str, endpoint_url: str, name: str, *release: str) -> None:
    """Push the database at `path`, in the way of a command: an interrupt is one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    database = open_database(path)
    bucket = Bucket(name, boto_session=boto3.Session(region_name="us-east-1"), endpoint_url=endpoint_url)
    places = Places("base")
    try:
        if release:
            push_release(database, bucket, places, release[0], progress=tell)
        else:
            push_live(database, bucket, places, progress=tell)
    except KeyboardInterrupt:
        sys.stdout.write("interrupted\n")
        raise
    finally:
        bucket.close()
        database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
