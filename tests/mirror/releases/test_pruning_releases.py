"""`prune`: which releases go, and that nothing sealed is ever incomplete, wherever it is cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._prune import ReleasePolicy, plan_prune, prune
from strands_sqlite_s3_mirror._releases import read_latest, releases
from strands_sqlite_s3_mirror._verify import verify_release
from strands_sqlite_s3_mirror.errors import MirrorConflictError, MirrorError, UnreachableError
from strands_sqlite_session_manager._database import Database
from tests.campaign.effort import LONG
from tests.mirror.proxy import Proxy
from tests.mirror.servers import Server

from . import released
from .released import PLACES

LABELS = ("1.0", "1.1", "2.0", "2.1")
DAY = timedelta(days=1)
LAST = ReleasePolicy(keep_last=1)


@pytest.fixture
def pushed(bucket: Bucket, database: Database) -> Bucket:
    for label in LABELS:
        released.release(database, bucket, label)
        released.say(database, "order", label)
    return bucket


def going(bucket: Bucket, policy: ReleasePolicy, now: datetime | None = None) -> list[str]:
    return [release.label for release in plan_prune(bucket, PLACES, policy, now=now).releases]


def left(bucket: Bucket) -> list[str]:
    return [release.label for release in releases(bucket, PLACES)]


def test_which_releases_go(pushed: Bucket) -> None:
    """What one of the three rules keeps stays, whatever the others say; planning changes nothing."""
    before = released.content(pushed)
    later = datetime.now(timezone.utc) + 3 * DAY
    assert going(pushed, ReleasePolicy(keep_last=1)) == ["1.0", "1.1", "2.0"]
    assert going(pushed, ReleasePolicy(keep_last=9)) == []
    assert going(pushed, ReleasePolicy(keep_within=DAY)) == []
    assert going(pushed, ReleasePolicy(keep_within=DAY), later) == list(LABELS)
    assert going(pushed, ReleasePolicy(keep=("*.0",))) == ["1.1", "2.1"]
    assert going(pushed, ReleasePolicy(keep=("1.[1-9]", "2.1"), keep_last=1)) == ["1.0", "2.0"]
    assert going(pushed, ReleasePolicy(keep_last=1, keep_within=4 * DAY), later) == []
    assert released.content(pushed) == before


def test_a_plan_tells_what_goes(pushed: Bucket) -> None:
    """It tells how many objects and bytes go, what stays, and which release is the newest then."""
    plan = plan_prune(pushed, PLACES, ReleasePolicy(keep=("1.*",)))
    sealed = {release.label: release for release in releases(pushed, PLACES)}
    assert [each.label for each in plan.releases] == ["2.0", "2.1"]
    assert [each.label for each in plan.kept] == ["1.0", "1.1"]
    assert plan.latest == "1.1"
    assert plan.bytes == (sealed["2.0"].bytes or 0) + (sealed["2.1"].bytes or 0)
    assert plan.objects == (sealed["2.0"].objects or 0) + (sealed["2.1"].objects or 0)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"keep_last": 0},
        {"keep_last": -1},
        {"keep_within": -DAY},
        {"incomplete_older_than": -DAY},
    ],
)
def test_policies_that_mean_nothing(arguments: dict[str, object]) -> None:
    """A policy that says nothing, or would take everything by mistake, is refused."""
    with pytest.raises(ValueError, match=r"policy|keep_last"):
        ReleasePolicy(**arguments)  # type: ignore[arg-type]


def test_patterns_are_several() -> None:
    """One text instead of several patterns would keep releases of one letter only: it is refused."""
    with pytest.raises(TypeError):
        ReleasePolicy(keep="*.0")  # type: ignore[arg-type]


def test_a_time_without_zone(bucket: Bucket) -> None:
    """Ages are not counted from a time that could be anywhere."""
    with pytest.raises(ValueError, match="time zone"):
        plan_prune(bucket, PLACES, LAST, now=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_pruning(pushed: Bucket, database: Database) -> None:
    """What is planned goes with everything in it, and nothing else; other releases and the live copy stay whole."""
    released.live(database, pushed)
    kept = {path: body for path, body in released.content(pushed).items() if path.startswith(("live/", "releases/2.1"))}
    steps: list[tuple[int, int]] = []
    plan = plan_prune(pushed, PLACES, LAST)
    done = prune(pushed, PLACES, plan, progress=lambda *step: steps.append(step))
    assert done.releases == ("1.0", "1.1", "2.0")
    assert done.skipped == ()
    assert steps[-1] == (done.objects, done.objects)
    assert released.content(pushed) == kept | {"latest.json": released.content(pushed)["latest.json"]}
    assert left(pushed) == ["2.1"]
    assert verify_release(pushed, PLACES, "2.1", level="read") == []


def test_pruning_the_newest(pushed: Bucket, database: Database) -> None:
    """Where the newest release goes, `latest.json` names the newest that stays, and the next push goes on from it."""
    prune(pushed, PLACES, plan_prune(pushed, PLACES, ReleasePolicy(keep=("1.*",))))
    latest = read_latest(pushed, PLACES)
    assert latest is not None
    assert latest.release == "1.1"
    before = pushed.requests.copy()
    released.release(database, pushed, "3.0")
    assert (pushed.requests - before)["CopyObject"] > 10
    assert verify_release(pushed, PLACES, "3.0", level="read") == []


def test_pruning_everything(pushed: Bucket, database: Database) -> None:
    """Where no release stays, nothing stays, and a push begins anew."""
    later = datetime.now(timezone.utc) + 3 * DAY
    prune(pushed, PLACES, plan_prune(pushed, PLACES, ReleasePolicy(keep_within=DAY), now=later))
    assert released.content(pushed) == {}
    released.release(database, pushed, "1.0")
    assert verify_release(pushed, PLACES, "1.0") == []


def test_nothing_to_prune(pushed: Bucket) -> None:
    """A plan without releases makes no request."""
    plan = plan_prune(pushed, PLACES, ReleasePolicy(keep_last=4))
    before = pushed.requests.total()
    assert prune(pushed, PLACES, plan).releases == ()
    assert pushed.requests.total() == before


def test_incomplete_releases(pushed: Bucket) -> None:
    """One that was never sealed goes when nothing was written to it for so long, and only where that is asked for."""
    pushed.delete([f"{PLACES.release('1.0')}manifest.json"])
    assert "1.0" not in going(pushed, LAST)
    policy = ReleasePolicy(incomplete_older_than=DAY)
    later = datetime.now(timezone.utc) + 3 * DAY
    assert going(pushed, policy) == []
    assert going(pushed, policy, later) == ["1.0"]
    assert prune(pushed, PLACES, plan_prune(pushed, PLACES, policy, now=later)).releases == ("1.0",)
    assert left(pushed) == ["1.1", "2.0", "2.1"]


def test_a_release_with_a_damaged_manifest(pushed: Bucket) -> None:
    """Nobody knows whether it is sealed: it goes only where incomplete ones may go, and as they do."""
    pushed.put(f"{PLACES.release('1.0')}manifest.json", b"{")
    assert going(pushed, LAST) == ["1.1", "2.0"]
    assert going(pushed, ReleasePolicy(incomplete_older_than=DAY)) == []
    later = datetime.now(timezone.utc) + 3 * DAY
    plan = plan_prune(pushed, PLACES, ReleasePolicy(incomplete_older_than=DAY), now=later)
    assert [release.label for release in plan.releases] == ["1.0"]
    before = len(released.content(pushed, PLACES.release("1.0")))
    done = prune(pushed, PLACES, plan)
    assert (done.releases, done.objects, done.skipped) == (("1.0",), before, ())
    assert left(pushed) == ["1.1", "2.0", "2.1"]
    assert released.content(pushed, PLACES.release("1.0")) == {}


def test_a_damaged_release_that_is_whole_again(pushed: Bucket) -> None:
    """Where somebody put its manifest back since the plan was made, it stays."""
    key = f"{PLACES.release('1.0')}manifest.json"
    manifest = released.content(pushed)["releases/1.0/manifest.json"]
    pushed.put(key, b"{")
    later = datetime.now(timezone.utc) + 3 * DAY
    plan = plan_prune(pushed, PLACES, ReleasePolicy(incomplete_older_than=DAY), now=later)
    pushed.put(key, manifest)
    assert prune(pushed, PLACES, plan).skipped == ("1.0",)
    assert verify_release(pushed, PLACES, "1.0") == []


@pytest.mark.parametrize("since", ["before the plan", "after the plan"])
def test_a_release_of_a_newer_version_stays(pushed: Bucket, since: str) -> None:
    """What this version cannot read because it is too old is never deleted by it: the error says to upgrade."""
    key = f"{PLACES.release('1.0')}manifest.json"
    newer = json.dumps({**json.loads(released.content(pushed)["releases/1.0/manifest.json"]), "version": 2}).encode()
    later = datetime.now(timezone.utc) + 3 * DAY
    policy = ReleasePolicy(incomplete_older_than=DAY)
    pushed.put(key, newer if since == "before the plan" else b"{")
    before = released.content(pushed, PLACES.release("1.0")) | {"manifest.json": newer}
    with pytest.raises(MirrorError, match=r"releases/1\.0/manifest\.json.*upgrade"):
        prune_whatever(pushed, policy, later, lambda: pushed.put(key, newer))
    assert released.content(pushed, PLACES.release("1.0")) == before


def prune_whatever(bucket: Bucket, policy: ReleasePolicy, now: datetime, between: Callable[[], object]) -> None:
    """Plan and prune, with something that happens in between."""
    plan = plan_prune(bucket, PLACES, policy, now=now)
    between()
    prune(bucket, PLACES, plan)


def test_a_release_that_is_pushed_anew_meanwhile(pushed: Bucket, database: Database) -> None:
    """What was deleted and pushed again since the plan was made is another release, and stays."""
    plan = plan_prune(pushed, PLACES, LAST)
    prune(pushed, PLACES, plan_prune(pushed, PLACES, ReleasePolicy(keep=("1.1", "2.*"))))
    released.release(database, pushed, "1.0")
    done = prune(pushed, PLACES, plan)
    assert done.skipped == ("1.0",)
    assert done.releases == ("1.1", "2.0")
    assert verify_release(pushed, PLACES, "1.0") == []


def test_a_release_that_is_being_deleted_is_not_pushed(
    s3_server: Server, proxy: Proxy, pushed: Bucket, database: Database
) -> None:
    """What is put into it now could go with the rest later: the push is refused until the prune is done."""
    through = released.cut(s3_server, proxy, pushed)
    plan = plan_prune(pushed, PLACES, LAST)
    first = plan.releases[0]
    proxy.at(2, "cut_before", "DeleteObjects")  # the first took its manifest
    with pytest.raises(UnreachableError):
        prune(through, PLACES, plan)
    through.close()
    assert [release.label for release in releases(pushed, PLACES) if not release.sealed] == [first.label]
    with pytest.raises(MirrorConflictError, match="being deleted"):
        released.release(database, pushed, first.label)
    prune(pushed, PLACES, plan_prune(pushed, PLACES, LAST))
    released.release(database, pushed, first.label)
    assert verify_release(pushed, PLACES, first.label) == []


@pytest.mark.parametrize("written", ["", "yesterday", "2025-11-20T16:02:00"])
def test_a_manifest_without_a_moment_is_damaged(pushed: Bucket, written: str) -> None:
    """A release of which nobody knows when it was sealed is listed as damaged, and stays."""
    key = f"{PLACES.release('1.0')}manifest.json"
    found = pushed.get(key)
    assert found is not None
    pushed.put(key, json.dumps({**json.loads(found.data), "created_at": written}).encode())
    assert [release.label for release in releases(pushed, PLACES) if release.problem] == ["1.0"]
    assert going(pushed, LAST) == ["1.1", "2.0"]


def test_a_journal_that_is_damaged(pushed: Bucket) -> None:
    """What is no journal is not overwritten."""
    pushed.put("base/pruning.json", b"[]")
    with pytest.raises(MirrorConflictError, match=r"pruning\.json"):
        plan_prune(pushed, PLACES, LAST)


def test_cut_at_every_request(s3_server: Server, proxy: Proxy, bucket: Bucket, database: Database) -> None:
    """Wherever it is cut, what is sealed is complete, `latest.json` names such a one, and a rerun ends the same."""
    for session_id in ("order", "order-b"):
        released.delete_session(database, session_id)
    for label in ("a", "b"):
        released.release(database, bucket, label)
    policy = ReleasePolicy(keep=("a",))
    expected = {path: etag for path, etag in released.state(bucket).items() if path.startswith("releases/a/")}
    cuts = 0
    run = released.cut_everywhere(
        s3_server, proxy, bucket, lambda through: prune(through, PLACES, plan_prune(through, PLACES, policy))
    )
    for where in run:
        sealed = [release for release in releases(bucket, PLACES) if release.sealed]
        assert all(verify_release(bucket, PLACES, release.label) == [] for release in sealed), where
        assert any(release.latest for release in sealed), where
        prune(bucket, PLACES, plan_prune(bucket, PLACES, policy))
        assert released.state(bucket) == expected | {"latest.json": released.state(bucket)["latest.json"]}, where
        cuts += 1
    assert cuts > (10 if LONG else 3)
