"""Every package of the workspace carries what a package index and its users need."""

from importlib.metadata import metadata, version
from pathlib import Path

import pytest

import strands_sqlite_s3_mirror

ROOT = Path(__file__).parents[2]
PACKAGES = sorted((ROOT / "packages").iterdir())

each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


@each_package
def test_the_changelog_has_an_entry_for_the_version(package: Path) -> None:
    """The newest entry of the changelog is the version that is built."""
    headings = [
        line for line in (package / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line[:3] == "## "
    ]
    assert headings[0].split()[1] == version(package.name)


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
