"""A release of an application, rehearsed: the session of `examples/mirror_releases`, on a real S3 server.

`nox -s mirror_a_release` runs it, with the wheels that were just built in `MIRROR_WHEELS` and nox itself in `NOX`.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from strands.session import S3SessionManager

from strands_sqlite_session_manager import SessionStore
from tests.mirror.servers import ADMIN, seaweedfs

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Let an agent talk, mirror it as release 1.0, and read the release with the SDK's own manager."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        database = folder / "agent.db"
        subprocess.run([sys.executable, ROOT / "examples" / "quickstart.py", "--db", database], check=True)
        shutil.copy(ROOT / "examples" / "mirror_releases" / "noxfile.py", folder)
        with seaweedfs(folder / "s3") as server:
            bucket = server.new_bucket()
            own = {
                "AWS_ENDPOINT_URL": server.endpoint_url,
                "AWS_ACCESS_KEY_ID": ADMIN[0],
                "AWS_SECRET_ACCESS_KEY": ADMIN[1],
                "AWS_DEFAULT_REGION": "us-east-1",
                "STRANDS_SQLITE_DB_PATH": str(database),
                "STRANDS_SQLITE_S3_BUCKET": bucket,
                "STRANDS_SQLITE_S3_PREFIX": "application",
            }
            command = [*shlex.split(os.environ["NOX"]), "--session", "mirror_release", "--", "1.0"]
            subprocess.run(command, check=True, cwd=folder, env={**os.environ, **own})
            released = S3SessionManager(
                "quickstart",
                bucket=bucket,
                prefix="application/releases/1.0",
                boto_session=server.session(),
                endpoint_url=server.endpoint_url,
            )
            found = [message.message for message in released.list_messages("quickstart", "default")]
        with SessionStore(database, read_only=True) as store:
            said = [message.message for message in store.read_messages("quickstart")]
    if found != said or not said:
        sys.exit(f"release 1.0 has {len(found)} messages, the database {len(said)}")
    print(f"release 1.0 has all {len(said)} messages")


if __name__ == "__main__":
    main()
