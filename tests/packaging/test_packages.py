"""Every package of the workspace carries what a package index and its users need."""

import re
import sys
from importlib.metadata import metadata, version
from pathlib import Path

import pytest

import strands_sqlite_s3_mirror

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PACKAGES = sorted((ROOT / "packages").iterdir())

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


@each_package
def test_the_changelog_tells_of_the_version(package: Path) -> None:
    """A version is in the changelog, or a file for each change waits to be put there when it is released."""
    released = re.findall(r"^## (\S+) - ", (package / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    waiting = [path.name for path in (package / "changes").glob("*.md")]
    assert waiting or released[:1] == [version(package.name)]


@each_package
def test_what_waits_is_of_a_kind_that_the_changelog_has(package: Path) -> None:
    """The name of such a file ends in a kind of change, or it would be left out of the changelog."""
    kinds = tomllib.loads((package / "towncrier.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]["fragment"]
    for path in (package / "changes").glob("*.md"):
        assert path.name.split(".")[-2] in kinds, path.name
        assert path.read_text(encoding="utf-8").strip()


@each_package
def test_the_licence_is_the_one_of_the_workspace(package: Path) -> None:
    """Each package ships the licence, and it is the same for all."""
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert metadata(package.name)["License-Expression"] == "Apache-2.0"


@each_package
def test_type_checkers_use_the_annotations(package: Path) -> None:
    """Each package says that it is typed."""
    assert (package / "src" / package.name.replace("-", "_") / "py.typed").is_file()


def test_the_mirror_says_its_version() -> None:
    """The version is read from what is installed."""
    assert strands_sqlite_s3_mirror.__version__ == version("strands-sqlite-s3-mirror")


def test_the_workflow_to_copy_runs_the_commands_of_the_session_that_is_rehearsed() -> None:
    """What `nox -s mirror_a_release` tries is what the workflow for GitHub does."""
    folder = ROOT / "examples" / "mirror_releases"
    session = re.findall(r'session\.run\("strands-sqlite", (.*)\)', (folder / "noxfile.py").read_text("utf-8"))
    workflow = re.findall(r"run: strands-sqlite (.*)", (folder / "mirror-release.yml").read_text("utf-8"))
    rehearsed = [" ".join(part.strip('"') for part in call.split(", ")) for call in session]
    assert [command.replace('"$RELEASE"', "release") for command in workflow] == rehearsed
    assert len(rehearsed) == 2
