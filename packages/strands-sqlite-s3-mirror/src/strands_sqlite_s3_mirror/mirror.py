"""`S3Mirror`: a database and its place in a bucket; thin methods over what each operation does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from strands_sqlite_session_manager import transfer
from strands_sqlite_session_manager._database import DatabasePath, DatabaseUser, Options
from strands_sqlite_session_manager._schema import open_database

from . import _compare, _follow, _imports, _prune, _push, _redact, _releases, _restore, _verify, _verify_live
from ._bucket import Bucket
from ._loading import Report as LoadReport
from ._loading import Restored
from ._places import Places
from ._sending import Pushed
from ._sending import Report as PushReport


class S3Mirror(DatabaseUser):
    """Keeps the sessions of a database in S3: as they stood at each release, and a live copy beside those.

    What is in S3 is in the layout of the SDK's `S3SessionManager` and `S3Storage`: both open a release as it is.

    ```python
    from strands_sqlite_s3_mirror import S3Mirror

    with S3Mirror("agent.db", "my-bucket", "support") as mirror:
        mirror.push(release="1.4.0")
        assert not mirror.verify(release="1.4.0")
    ```

    Any number of mirrors may be open on one file, beside agents at work: nothing here holds them up, and no transaction
    is open while S3 is asked. Each operation may be interrupted anywhere; the same call then completes it.

    Attributes:
        db_path: The file, `:memory:` or URI in use.
        bucket: The name of the bucket.
    """

    def __init__(  # noqa: PLR0913 - the options of S3SessionManager
        self,
        db_path: DatabasePath,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        region_name: str | None = None,
        boto_session: Any = None,
        boto_client_config: Any = None,
        busy_timeout: float = 30.0,
    ) -> None:
        """Open the database, and name the place in S3; nothing is sent yet.

        Args:
            db_path: The database file; `~` is expanded, and what is missing is created. None takes the environment
                variable `STRANDS_SQLITE_DB_PATH`, else `./sessions.db`. A session manager, storage or store: the
                database that it uses.
            bucket: The bucket.
            prefix: Below which everything lies; empty: the bucket is the mirror's alone.
            endpoint_url: Where S3 is, if not at AWS.
            region_name: Region of the bucket.
            boto_session: A `boto3.Session`; by default boto3 finds the credentials.
            boto_client_config: A `botocore.config.Config`, with timeouts, retries, proxies.
            busy_timeout: How long to wait for another process's lock on the file, in seconds.

        Raises:
            InvalidPrefixError: The prefix cannot be one.
            CredentialsError: The profile does not exist.
            BucketError: The region or the endpoint is not usable.
            SQLiteSessionError: The database cannot be opened; the type says why, `hint` what to do.
        """
        self._places = Places(prefix)
        self._bucket = Bucket(
            bucket,
            boto_session=boto_session,
            boto_client_config=boto_client_config,
            region_name=region_name,
            endpoint_url=endpoint_url,
        )
        try:
            self._database = open_database(db_path, Options(busy_timeout=busy_timeout))
        except BaseException:
            self._bucket.close()
            raise

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return self._bucket.name

    def close(self) -> None:
        """Close the connections to S3, and leave the database. Again is fine."""
        self._bucket.close()
        super().close()

    def push(
        self,
        *,
        release: str | None = None,
        take_over: bool = False,
        check_conditions: bool = True,
        progress: PushReport | None = None,
    ) -> Pushed:
        """Bring a release, or the live copy, to what the database holds now.

        Args:
            release: The label of the release, which is then sealed: it never changes again. None: the live copy.
            take_over: Replace a live copy that is another database's or of a later state of this one, or repair a
                damaged one. Stop whoever else pushes there first. An empty database takes nothing over.
            check_conditions: Refuse a server that ignores conditional writes, on which all of this rests.
            progress: Called after each object.

        Returns:
            What was done.

        Raises:
            EmptyDatabaseError: A release of a database that has never held anything.
            ReleaseExistsError: The release is sealed with other content.
            MirrorConflictError: The live copy is another database's or of a later state; or another push won.
            ValueError: `take_over` with a release.
            MirrorError: S3 refused, or the disk: the type says why, `hint` what to do. The same call goes on.
        """
        if release is None:
            return _push.push_live(
                self._database,
                self._bucket,
                self._places,
                take_over=take_over,
                check_conditions=check_conditions,
                progress=progress,
            )
        if take_over:
            message = f"release=<{release}>, take_over=<True> | a release is never taken over, only the live copy is"
            raise ValueError(message)
        return _push.push_release(
            self._database, self._bucket, self._places, release, check_conditions=check_conditions, progress=progress
        )

    def follow(
        self,
        *,
        interval: float = 10.0,
        stop: threading.Event | None = None,
        on_push: Callable[[Pushed], None] | None = None,
        on_error: Callable[[Exception, float], None] | None = None,
    ) -> None:
        """Push to the live copy whenever something changed, until `stop` is set; then once more.

        Blocks: give it a thread or a process of its own. While nothing changes no request is made.

        Args:
            interval: Seconds between two looks at the database: what a lost machine can lose.
            stop: Ends it when it is set; without it only an exception does.
            on_push: Called after each push, with what it did: that is in S3 now.
            on_error: Called with what passes by itself, such as a network that is gone, and with the seconds until the
                next attempt; without it a warning is logged.

        Raises:
            ValueError: The interval is not above zero.
            MirrorConflictError: The live copy is another database's, or of a later state of this one.
            MirrorError: What does not pass by itself.
        """
        _follow.follow(
            self.push,
            lambda: self._database.read(transfer.positions),
            interval=interval,
            stop=stop or threading.Event(),
            on_push=on_push,
            on_error=on_error,
        )

    def live_copy(self) -> _releases.LiveCopy | None:
        """Return as of when the live copy holds, and what is in it; None if there is none.

        Raises:
            MirrorError: S3 could not be read.
        """
        return _releases.live_copy(self._bucket, self._places)

    def releases(self) -> list[_releases.Release]:
        """Return the releases, the oldest first, those that are incomplete at the end."""
        return _releases.releases(self._bucket, self._places)

    def verify(
        self,
        *,
        release: str | None = None,
        level: _verify.Level = "checksum",
        progress: _verify.Progress | None = None,
    ) -> list[_verify.Finding]:
        """Compare a release with its manifest, or the live copy with the database; nothing is changed.

        Args:
            release: Which release; None: the live copy.
            level: `"listing"` looks at which objects there are, `"checksum"` at their ETags too, `"read"`
                downloads everything.
            progress: Called with how many objects were looked at, and of how many.

        Returns:
            What is missing, modified or extra; empty when all is well.

        Raises:
            ReleaseNotFoundError: There is no such release, or no live copy.
            MirrorError: S3 could not be read.
        """
        if release is None:
            return _verify_live.verify_live(self._bucket, self._places, self._database, level=level, progress=progress)
        return _verify.verify_release(self._bucket, self._places, release, level=level, progress=progress)

    def compare(self, one: str, other: str | None = None) -> _compare.Comparison:
        """Return what changed from one release to another.

        Args:
            one: The first release.
            other: The second; None: the live copy.

        Raises:
            ReleaseNotFoundError: There is no such release, or no live copy.
            MirrorError: S3 could not be read.
        """
        return _compare.compare(self._bucket, self._places, one, other)

    def restore(
        self,
        *,
        release: str | None = None,
        session_ids: Iterable[str] | None = None,
        on_conflict: transfer.Conflict = "fail",
        objects: bool = True,
        progress: LoadReport | None = None,
    ) -> Restored:
        """Read sessions of a release, or of the live copy, into the database; each whole or not at all.

        Args:
            release: Which release; None: the live copy.
            session_ids: Which sessions, with their snapshots; all without it.
            on_conflict: What to do with what is there with other content: `"fail"`, `"skip"` it, or `"replace"` it.
            objects: Whether storage objects are wanted too: snapshots, stashes, memories.
            progress: Called after each object that was read.

        Raises:
            ReleaseNotFoundError: There is no such release, or no live copy.
            ReleaseIncompleteError: The release was never sealed.
            NotFoundError: It has no such session.
            AlreadyExistsError: Something is there with other content, and `on_conflict` is `"fail"`.
            ObjectMissingError: An object of the release is missing; the message names it.
            ObjectDamagedError: An object is not what the manifest says; the message names it.
            MirrorError: S3 could not be read. What was written until then stays, whole sessions only.
        """
        return _restore.restore(
            self._database,
            self._bucket,
            self._places,
            release=release,
            session_ids=session_ids,
            on_conflict=on_conflict,
            objects=objects,
            progress=progress,
        )

    def pull(self, *, on_conflict: transfer.Conflict = "fail", progress: LoadReport | None = None) -> Restored:
        """Read all of the live copy into the database: `restore` without a release.

        Args:
            on_conflict: As for `restore`.
            progress: As for `restore`.

        Raises:
            MirrorError: As `restore`.
        """
        return self.restore(on_conflict=on_conflict, progress=progress)

    def import_sessions(
        self,
        prefix: str = "",
        *,
        session_ids: Iterable[str] | None = None,
        on_conflict: transfer.Conflict = "fail",
        objects: bool = True,
        progress: LoadReport | None = None,
    ) -> Restored:
        """Read sessions that the SDK's `S3SessionManager` and `S3Storage` wrote into the bucket; S3 stays as it is.

        Args:
            prefix: As it was given to those; the mirror's own prefix does not count here.
            session_ids: Which sessions; all without it.
            on_conflict: As for `restore`.
            objects: Whether snapshots and stashes are wanted too.
            progress: Called after each object that was read.

        Raises:
            NotFoundError: There is no such session.
            AlreadyExistsError: Something is there with other content, and `on_conflict` is `"fail"`.
            TransferError: There is nothing of the SDK's below the prefix, or an object is damaged.
            MirrorError: S3 could not be read. What was written until then stays, whole sessions only.
        """
        return _imports.import_sessions(
            self._database,
            self._bucket,
            prefix,
            session_ids=session_ids,
            on_conflict=on_conflict,
            objects=objects,
            progress=progress,
        )

    def plan_prune(self, policy: _prune.ReleasePolicy, *, now: datetime | None = None) -> _prune.PrunePlan:
        """Return which releases a policy would delete; nothing is deleted.

        Args:
            policy: What stays.
            now: From when ages are counted, with its time zone; the present if None.

        Raises:
            MirrorError: S3 could not be read.
        """
        return _prune.plan_prune(self._bucket, self._places, policy, now=now)

    def prune(self, plan: _prune.PrunePlan, *, progress: Callable[[int, int], None] | None = None) -> _prune.Pruned:
        """Delete the releases of a plan: their manifests first, so that none is sealed that is not complete.

        Args:
            plan: Of `plan_prune`.
            progress: Called with how many objects were deleted, and of how many.

        Raises:
            MirrorError: S3 refused. Plan again, and call it again.
        """
        return _prune.prune(self._bucket, self._places, plan, progress=progress)

    def plan_redact(self, redaction: _redact.Redaction, *, releases: Iterable[str] | None = None) -> _redact.RedactPlan:
        """Return what a redaction would take out of releases; nothing is changed.

        Args:
            redaction: What has to go.
            releases: From which; all if None.

        Raises:
            ReleaseNotFoundError: There is nothing of one of the releases.
            ReleaseIncompleteError: One of those that are named was never sealed.
            MirrorError: S3 could not be read.
        """
        return _redact.plan_redact(self._bucket, self._places, redaction, labels=releases, database=self._database)

    def redact(
        self,
        redaction: _redact.Redaction,
        *,
        releases: Iterable[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> _redact.RedactPlan:
        """Take content out of sealed releases, and seal them anew.

        Args:
            redaction: What has to go.
            releases: From which; all if None.
            progress: Called with how many releases are done, and of how many.

        Returns:
            What was changed.

        Raises:
            MirrorError: As `plan_redact`; or S3 refused: the same call completes it.
        """
        return _redact.redact(
            self._bucket, self._places, redaction, labels=releases, database=self._database, progress=progress
        )
