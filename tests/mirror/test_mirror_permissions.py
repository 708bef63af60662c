"""The policy that the reference shows: it is enough for every operation, and nothing of it can be left out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import moto.settings
import pytest
from moto.core.authorization import ActionAuthenticatorMixin

from strands_sqlite_s3_mirror import BucketError, Redaction, ReleasePolicy, S3Mirror

from .pushing import new_database
from .servers import QUICK, Server

PAGE = Path(__file__).parents[2] / "docs" / "s3-layout.md"
BUCKET = "my-bucket"
PREFIX = "backups/my-agent"


def policy_of_the_page() -> dict[str, Any]:
    """The JSON of the only policy on the page."""
    found = re.search(r"```json\n(\{\s+\"Version\".*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    policy: dict[str, Any] = json.loads(found.group(1))
    return policy


def session_with(policy: dict[str, Any]) -> Any:
    """A session of somebody who may do what the policy says; moto checks it from now on."""
    for statement in policy["Statement"]:
        if "s3:DeleteObject" in statement["Action"]:  # moto asks for it on the bucket, AWS on each key
            statement["Resource"] = [statement["Resource"], f"arn:aws:s3:::{BUCKET}"]
    iam: Any = boto3.Session(region_name="us-east-1").client("iam")
    iam.create_user(UserName="mirror")
    iam.put_user_policy(UserName="mirror", PolicyName="mirror", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="mirror")["AccessKey"]
    return boto3.Session(
        region_name="us-east-1", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Lets moto check permissions from when it is called."""
    yield lambda: monkeypatch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    ActionAuthenticatorMixin.request_count = 0


def do_everything(mirror: S3Mirror) -> None:
    """Every operation of a mirror, so that every kind of request is made."""
    mirror.push()
    mirror.push(release="1")
    mirror.push(release="2")
    assert [release.label for release in mirror.releases()] == ["1", "2"]
    assert mirror.verify(level="read") == []
    assert mirror.verify(release="2", level="read") == []
    mirror.compare("1", "2")
    mirror.restore(release="1", on_conflict="skip")
    mirror.import_sessions(f"{PREFIX}/live", on_conflict="skip")
    mirror.redact(Redaction(sessions=("talk",)), releases=["2"])
    mirror.prune(mirror.plan_prune(ReleasePolicy(keep_last=1)))


def test_the_policy_is_enough(moto_server: Server, tmp_path: Path, checked: Any) -> None:
    """With the documented policy, and nothing else, everything works."""
    moto_server.client().create_bucket(Bucket=BUCKET)
    session = session_with(policy_of_the_page())
    new_database(tmp_path / "agent.db").close()
    checked()

    with S3Mirror(tmp_path / "agent.db", BUCKET, PREFIX, boto_session=session, boto_client_config=QUICK) as mirror:
        do_everything(mirror)


@pytest.mark.parametrize("left_out", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"])
def test_nothing_of_the_policy_can_be_left_out(
    moto_server: Server, tmp_path: Path, checked: Any, left_out: str
) -> None:
    """Each action is needed, and its lack is an error that says so."""
    moto_server.client().create_bucket(Bucket=BUCKET)
    policy = policy_of_the_page()
    for statement in policy["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != left_out] or ["s3:GetBucketAcl"]
    session = session_with(policy)
    new_database(tmp_path / "agent.db").close()
    checked()

    mirror = S3Mirror(tmp_path / "agent.db", BUCKET, PREFIX, boto_session=session, boto_client_config=QUICK)
    with mirror, pytest.raises(BucketError, match="policy"):
        do_everything(mirror)
