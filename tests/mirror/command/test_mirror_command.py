"""`strands-sqlite mirror`: what each of its commands prints, changes, and ends with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_session_manager import SessionStore
from tests.mirror.releases import released
from tests.mirror.servers import ADMIN, Server

from .conftest import Shell


@pytest.fixture
def bucket(shell: Shell, s3_server: Server) -> Any:
    opened = s3_server.bucket(shell.bucket)
    yield opened
    opened.close()


@pytest.fixture
def pushed(shell: Shell) -> Shell:
    """Two releases, and a live copy."""
    shell.run("push", "--release", "1.0")
    with released.opened(shell.db) as database:
        released.say(database, "order", "one more")
    shell.run("push", "--release", "1.1")
    shell.run("push", "--live")
    return shell


def sessions(db: Path) -> dict[str, int]:
    with SessionStore(db) as store:
        return {each.session_id: each.messages for each in store.list_sessions().sessions}


def test_push_a_release(shell: Shell) -> None:
    """It says what was done; again it costs nothing; with other content it is refused, with what to do."""
    assert shell.out("push", "--release", "1.0").startswith("pushed release 1.0: 15 uploaded; 2.7")
    assert shell.out("push", "--release", "1.0").startswith("release 1.0 is up to date: ")
    with released.opened(shell.db) as database:
        released.say(database, "order", "one more")
    outcome = shell.run("push", "--release", "1.0", code=3)
    assert outcome.stderr.startswith("error: release=<'1.0'> is sealed")
    assert "\nhint: choose another release label" in outcome.stderr


def test_push_what(shell: Shell) -> None:
    """The label defaults to nothing: where nobody can be asked, that is exit code 2, and nothing is pushed."""
    assert "say what: --release LABEL, or --live" in shell.run("push", code=2).stderr
    assert "exclude each other" in shell.run("push", "--live", "--release", "1", code=2).stderr
    assert "is for --live" in shell.run("push", "--release", "1", "--take-over", code=2).stderr
    assert "cannot name a release" in shell.run("push", "--release", "", code=3).stderr
    assert shell.json("list", code=1)["releases"] == []


def test_push_in_json(shell: Shell) -> None:
    """Plan and result are one document, as for the other commands that change something."""
    document = shell.json("push", "--live")
    assert document["plan"] == {
        "place": f"s3://{shell.bucket}/{shell.prefix}", "release": None, "take_over": False
    }  # fmt: skip
    assert document["result"]["uploaded"] == 15
    assert shell.json("push", "--release", "1", "--dry-run")["result"] is None
    assert shell.json("list")["releases"] == []


def test_take_over(pushed: Shell, tmp_path: Path) -> None:
    """The live copy of another database is replaced with `--yes` only, and its plan says so."""
    with released.opened(tmp_path / "other.db") as other:
        released.put_object(other, "notes/b.txt", b"other")
    arguments = ("push", "--live", "--db", str(tmp_path / "other.db"))
    assert "another database" in pushed.run(*arguments, code=3).stderr
    refused = pushed.run(*arguments, "--take-over", code=2)
    assert "will be replaced" in refused.stdout
    assert "add --yes" in refused.stderr
    assert pushed.json("list")["live"]["complete"] is True
    assert "1 uploaded" in pushed.out(*arguments, "--take-over", "--yes")


def test_list(pushed: Shell) -> None:
    """A table for people, tabs in a pipe, everything in JSON; the live copy says as of when it is."""
    outcome = pushed.run("list")
    first, second = (line.split("\t") for line in outcome.stdout.splitlines())
    assert (first[0], first[2:5], first[-2:]) == ("1.0", ["2", "7", "15"], ["", ""])
    assert (second[0], second[-2:]) == ("1.1", ["1.0", "latest"])
    assert outcome.stderr.startswith("the live copy is as of 2")
    document = pushed.json("list")
    assert [each["label"] for each in document["releases"]] == ["1.0", "1.1"]
    assert "token" not in document["releases"][0]
    assert document["live"]["complete"] is True
    assert len(pushed.out("list", "--jsonl").splitlines()) == 2
    assert pushed.out("list", "--plain").split()[0] == "RELEASE"


def test_nothing_there(shell: Shell) -> None:
    """Where nothing was pushed, nothing is found: exit code 1; what needs a release says that there is none."""
    assert "no releases" in shell.run("list", code=1).stderr
    assert "nothing was looked at" in shell.run("verify", code=1).stderr
    assert shell.json("verify", code=1)["findings"] == []
    assert shell.run("verify", "1.0", code=3).stderr.startswith("error: release=<1.0> is not in")
    assert "no live copy" in shell.run("verify", "--live", code=3).stderr
    assert "nothing to prune" in shell.out("prune", "--keep-last", "1")


def test_a_live_copy_alone_is_not_verified_unless_asked_for(shell: Shell) -> None:
    """A check that looks at nothing is never green: without releases it says so, and how to look at the live copy."""
    shell.run("push", "--live")
    outcome = shell.run("verify", code=1)
    assert (outcome.stdout, "--live" in outcome.stderr) == ("", True)
    assert "all is well" not in outcome.stderr
    assert shell.run("verify", "--live").stderr == "all is well: the live copy\n"


def test_verify(pushed: Shell, bucket: Bucket) -> None:
    """All releases unless some are named; what was found is told in full, with exit code 1."""
    assert "all is well: 2 releases" in pushed.run("verify").stderr
    assert "all is well: 1 release and the live copy" in pushed.run("verify", "1.0", "--live", "--level", "read").stderr
    key = f"{pushed.prefix}/releases/1.1/notes/a.txt"
    bucket.delete([key])
    assert pushed.json("verify", "1.0")["findings"] == []
    [finding] = pushed.json("verify", code=1)["findings"]
    assert (finding["kind"], finding["release"], finding["path"]) == ("missing", "1.1", "notes/a.txt")
    assert pushed.out("verify", "1.1", code=1).startswith("missing\t1.1\tnotes/a.txt\t")
    assert pushed.out("verify", "1.1", "--plain", code=1).startswith("missing: 1.1 notes/a.txt\n  it is not there")
    bucket.delete([f"{pushed.prefix}/live/notes/a.txt"])
    [finding] = pushed.json("verify", "--live", code=1)["findings"]
    assert (finding["kind"], finding["release"]) == ("missing", None)


def test_compare(pushed: Shell) -> None:
    """Sessions with what became of their messages, or each object; against the live copy without a second release."""
    assert pushed.out("compare", "1.0", "1.1") == "order\tchanged\t+1\t1\n"
    assert pushed.out("compare", "1.1", "1.0", "--objects").endswith("message_4.json\tremoved\n")
    assert "no differences in 16 objects" in pushed.run("compare", "1.1").stderr
    assert pushed.json("compare", "1.0")["comparison"]["sessions"][0]["messages_added"] == 1
    assert "is not in" in pushed.run("compare", "1.0", "2.0", code=3).stderr


def test_restore(pushed: Shell, tmp_path: Path) -> None:
    """Into a new database or an existing one, all sessions or some; never over others unless told, and with `--yes`."""
    new = tmp_path / "new.db"
    assert pushed.out("restore", "--release", "1.0", "--db", str(new)).startswith("restored 2 sessions, 7 messages")
    assert sessions(new) == {"order": 4, "order-b": 3}
    one = tmp_path / "one.db"
    assert "; the live copy is as of 2" in pushed.out("restore", "order", "--live", "--db", str(one))
    assert sessions(one) == {"order": 5}
    refused = pushed.run("restore", "--release", "1.0", "--db", str(one), code=3)
    assert "order" in refused.stderr
    arguments = ("restore", "--release", "1.0", "--on-conflict", "replace", "--db", str(one))
    assert "written anew" in pushed.run(*arguments, code=2).stdout
    assert sessions(one)["order"] == 5
    pushed.run(*arguments, "--yes")
    assert sessions(one)["order"] == 4


def test_restore_what_is_not_there(pushed: Shell, tmp_path: Path) -> None:
    """A mistake in a label makes no database."""
    new = str(tmp_path / "new.db")
    assert "say from where" in pushed.run("restore", "--db", new, code=2).stderr
    assert "is not in" in pushed.run("restore", "--release", "1", "--db", new, code=3).stderr
    assert "no live copy" in pushed.run("restore", "--live", "--db", new, "--prefix", "nowhere", code=3).stderr
    assert "there is nothing in" in pushed.run("import", "--db", new, "--prefix", "nowhere", code=3).stderr
    assert not (tmp_path / "new.db").exists()


def test_import(pushed: Shell, tmp_path: Path) -> None:
    """What the SDK could have written comes in, by its own prefix."""
    prefix = f"{pushed.prefix}/releases/1.0"
    document = json.loads(pushed.out("import", "--db", str(tmp_path / "new.db"), "--prefix", prefix, "--json"))
    assert (document["result"]["sessions"], document["result"]["messages"]) == (2, 7)
    assert sessions(tmp_path / "new.db") == {"order": 4, "order-b": 3}


def test_prune(pushed: Shell) -> None:
    """The plan first; with `--yes` it is done; with `--dry-run` the plan is all that was wanted."""
    assert "say which" in pushed.run("prune", code=2).stderr
    refused = pushed.run("prune", "--keep-last", "1", code=2)
    assert "1 release with 2.7" in refused.stdout
    assert "1 release will stay" in refused.stdout
    document = pushed.json("prune", "--keep", "*.1", "--dry-run")
    assert [each["label"] for each in document["plan"]["releases"]] == ["1.0"]
    assert document["result"] is None
    assert len(pushed.json("list")["releases"]) == 2
    assert pushed.out("prune", "--keep-within", "1d", "--keep-last", "1").startswith("nothing to prune")
    assert "pruned 1 release, 17 objects" in pushed.out("prune", "--keep-last", "1", "--yes")
    assert [each["label"] for each in pushed.json("list")["releases"]] == ["1.1"]


def test_redact(pushed: Shell, bucket: Bucket) -> None:
    """A message or a session goes from all releases or from one, with `--yes`; then they verify."""
    assert "say what" in pushed.run("redact", code=2).stderr
    assert "write SESSION/AGENT/ID" in pushed.run("redact", "--message", "order", code=2).stderr
    refused = pushed.run("redact", "--message", "order-b/a/1", code=2)
    assert "2 releases will be written anew" in refused.stdout
    assert "redacted 2 releases" in pushed.out("redact", "--message", "order-b/a/1", "--text", "[gone]", "--yes")
    found = released.content(bucket, f"{pushed.prefix}/releases/")
    assert not any(released.SECRET.encode() in body for body in found.values())
    document = pushed.json("redact", "--session", "order", "--release", "1.0", "--yes")
    assert [(each["release"], each["removed"]) for each in document["result"]["releases"]] == [("1.0", 7)]
    assert "nothing to redact" in pushed.out("redact", "--redacted")
    assert "all is well: 2 releases" in pushed.run("verify", "--level", "read").stderr


def test_options_and_their_twins(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place is needed; options win over variables; a profile that is none is told with what to do."""
    document = shell.json("push", "--live", "--prefix", "place-from-option", "--dry-run")
    assert document["plan"]["place"].endswith("/place-from-option")
    refused = shell.run("list", "--profile", "nobody", code=3).stderr
    assert refused.startswith("error: ")
    assert "profile (nobody) could not be found" in refused
    assert "\nhint: check the credentials" in refused
    assert "error: " in shell.run("list", "--endpoint-url", "not a url", code=3).stderr
    monkeypatch.delenv("STRANDS_SQLITE_S3_BUCKET")
    missing = shell.run("list", code=2).stderr
    assert "--bucket" in missing
    assert "STRANDS_SQLITE_S3_BUCKET" in missing


def test_a_profile_wins_over_the_environment(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever names a profile does not work with the keys that the shell happens to have, by whichever command."""
    kept = tmp_path / "credentials"
    kept.write_text(f"[prod]\naws_access_key_id = {ADMIN[0]}\naws_secret_access_key = {ADMIN[1]}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(kept))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
    for arguments in (["push", "--release", "1.0"], ["list"], ["verify"], ["prune", "--keep-last", "1"]):
        assert "another" not in shell.run(*arguments, "--profile", "prod").stderr
        assert "InvalidAccessKeyId" in shell.run(*arguments, code=3).stderr
    monkeypatch.setenv("STRANDS_SQLITE_S3_PROFILE", "prod")
    assert [each["label"] for each in shell.json("list")["releases"]] == ["1.0"]


def test_errors_of_s3(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is missing, credentials that are wrong: exit code 3, an error and a hint each."""
    for name, value in (("STRANDS_SQLITE_S3_BUCKET", "no-such-bucket"), ("AWS_ACCESS_KEY_ID", "wrong")):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            stderr = shell.run("push", "--release", "1.0", code=3).stderr
        assert stderr.startswith("error: ")
        assert "\nhint: " in stderr


def test_no_database(shell: Shell, tmp_path: Path) -> None:
    """A mistake in its name makes none, and pushes nothing."""
    missing = str(tmp_path / "missing.db")
    for arguments in (["push", "--live"], ["follow"], ["redact", "--redacted"]):
        assert "there is no database" in shell.run(*arguments, "--db", missing, code=3).stderr
    assert not (tmp_path / "missing.db").exists()


def test_progress(pushed: Shell) -> None:
    """With `--progress` there are lines on standard error, and the same on standard output."""
    outcome = pushed.run("verify", "1.0", "--progress", "--json")
    assert "checking 1.0: 15 of 15" in outcome.stderr
    assert json.loads(outcome.stdout)["findings"] == []


def test_help(shell: Shell) -> None:
    """Each command tells its options with their twins, and they stand in the order of use."""
    listed = shell.out("--help").split("Commands:")[1]
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]
    assert names == ["push", "follow", "list", "verify", "compare", "restore", "import", "prune", "redact"]
    for name in names:
        assert "STRANDS_SQLITE_S3_BUCKET" in shell.out(name, "--help")
