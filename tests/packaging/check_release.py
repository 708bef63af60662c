"""What is about to be published is what it says; `nox -s release` runs this on the built files."""

import email
import os
import re
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[2]
DIST = Path(os.environ["DIST"])
PACKAGES = sorted(path.name for path in (ROOT / "packages").iterdir())

each_package = pytest.mark.parametrize("package", PACKAGES)


def module(package: str) -> str:
    return package.replace("-", "_")


def wheel(package: str) -> zipfile.ZipFile:
    (path,) = DIST.glob(f"{module(package)}-*.whl")
    return zipfile.ZipFile(path)


def wheel_metadata(package: str) -> Message:
    with wheel(package) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_each_package_is_built_once() -> None:
    """A wheel and a source archive for each package of the workspace, and nothing else."""
    names = sorted(path.name.partition("-")[0] for path in DIST.iterdir() if path.suffix in (".whl", ".gz"))
    assert names == sorted([module(package) for package in PACKAGES] * 2)


@each_package
def test_a_wheel_holds_the_package_and_nothing_else(package: str) -> None:
    """The modules, the mark of types and the licence; no test, no cache, no page."""
    source = ROOT / "packages" / package / "src"
    expected = {str(path.relative_to(source)) for path in source.rglob("*") if path.suffix in (".py", ".typed")}
    with wheel(package) as archive:
        names = set(archive.namelist())
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == expected
    assert f"{module(package)}/py.typed" in inside
    assert any(name.endswith("licenses/LICENSE") for name in names)


@each_package
def test_a_source_archive_builds_the_same(package: str) -> None:
    """It holds the modules of the wheel, the licence, the README and the changelog."""
    (path,) = DIST.glob(f"{module(package)}-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    with wheel(package) as built:
        modules = {f"src/{name}" for name in built.namelist() if ".dist-info/" not in name}
    assert modules <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "PKG-INFO"} <= names


@each_package
def test_the_metadata_is_what_an_index_shows(package: str) -> None:
    """Name, summary, licence, supported Pythons, links, and a README without links that lead nowhere on the index."""
    shown = wheel_metadata(package)
    assert shown["Name"] == package
    assert shown["License-Expression"] == "Apache-2.0"
    assert shown["Requires-Python"] == ">=3.10"
    assert shown["Summary"]
    links = dict(each.split(", ") for each in shown.get_all("Project-URL", []))
    assert links.keys() >= {"Changelog", "Documentation", "Issues", "Source"}
    pythons = [each.rpartition(" ")[2] for each in shown.get_all("Classifier", []) if ":: 3." in each]
    assert pythons == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    targets = re.findall(r"\]\(([^)]+)\)", str(shown.get_payload()))
    assert [link for link in targets if not link.startswith(("https://", "#"))] == []


@each_package
def test_a_sibling_is_asked_for_by_a_version_that_is_being_released(package: str) -> None:
    """What a wheel needs of this workspace is satisfied by the wheels beside it; an older version may be enough."""
    versions = {name: wheel_metadata(name)["Version"] for name in PACKAGES}
    for needed in wheel_metadata(package).get_all("Requires-Dist", []):
        name, bound = re.match(r"([\w-]+)(?:\[\w+\])?(?:>=([\d.]+))?", needed).groups()
        if name in versions:
            assert Version(bound) <= Version(versions[name]), needed


@each_package
def test_no_path_of_the_builder_is_in_it(package: str) -> None:
    """The files say nothing about the machine that built them."""
    with wheel(package) as archive:
        for name in archive.namelist():
            assert str(ROOT).encode() not in archive.read(name), name
