"""Mirror the sessions of a release: `nox -s mirror_release -- 1.4.0`, for those who release by hand.

The database is `STRANDS_SQLITE_DB_PATH`, the place in S3 `STRANDS_SQLITE_S3_BUCKET` and `STRANDS_SQLITE_S3_PREFIX`.
"""

import os

import nox

MIRROR = "strands-sqlite-s3-mirror[cli]"


@nox.session
def mirror_release(session: nox.Session) -> None:
    """Push the sessions as they stand to a release, and look whether all of it arrived."""
    if len(session.posargs) != 1:
        session.error("name the release: nox -s mirror_release -- 1.4.0")
    (release,) = session.posargs
    session.install(*os.environ.get("MIRROR_WHEELS", MIRROR).split(os.pathsep))
    session.run("strands-sqlite", "mirror", "push", "--release", release)
    session.run("strands-sqlite", "mirror", "verify", release)
