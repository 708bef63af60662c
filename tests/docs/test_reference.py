"""What the reference says is what the code has: every table, error, option and exported name is on its page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click
import pytest
import yaml

from pytest_strands_sqlite._options import add_options
from strands_sqlite_session_manager import _tables, errors
from strands_sqlite_session_manager._schema import VERSION
from strands_sqlite_session_manager.cli._app import commands

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("pytest_strands_sqlite", "strands_sqlite_s3_mirror", "strands_sqlite_session_manager")

_FIXTURE = r"^@pytest\.fixture.*\n(?:async )?def ([a-z]\w*)"


def text(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def test_the_schema_page_has_the_statements_of_each_version() -> None:
    """The page shows what creates the tables, to the letter."""
    shown = re.findall(r"^```sql\n(.*?)^```$", text("reference/schema.md"), re.MULTILINE | re.DOTALL)
    assert shown == [getattr(_tables, f"VERSION_{number}").lstrip("\n") for number in range(1, VERSION + 1)]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_its_names_in_the_reference(package: str) -> None:
    """The API page is made from the package, and every name that is exported has a docstring to be shown."""
    assert f"\n::: {package}\n" in text("reference/api.md")
    module = import_module(package)
    values = {name: getattr(module, name) for name in module.__all__ if name != "__version__"}
    assert [name for name, value in values.items() if callable(value) and not _has_docstring(value)] == []


def _has_docstring(value: object) -> bool:
    """Tell whether somebody wrote a docstring: that which a dataclass is given by itself is its signature."""
    written = value.__doc__ or ""
    return bool(written) and not written.startswith(f"{getattr(value, '__name__', '')}(")


def test_the_signature_of_a_dataclass_is_no_docstring() -> None:
    """A dataclass without a docstring has one all the same, made by Python."""

    @dataclass
    class Undocumented:
        size: int

    assert Undocumented.__doc__
    assert not _has_docstring(Undocumented)


@pytest.mark.parametrize(
    "module", [errors, import_module("strands_sqlite_s3_mirror.errors")], ids=lambda each: each.__name__
)
def test_every_error_is_on_the_page_of_errors(module: object) -> None:
    """Who meets an error finds what to do by its name."""
    base = errors.SQLiteSessionError
    names = [name for name, each in vars(module).items() if isinstance(each, type) and issubclass(each, base)]
    assert len(names) > 10
    assert [name for name in names if f"`{name}`" not in text("reference/errors.md")] == []


def _commands(group: click.Group, path: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        found[f"{path}{name}"] = command
        if isinstance(command, click.Group):
            found |= _commands(command, f"{path}{name} ")
    return found


@pytest.mark.parametrize(("name", "command"), {"": commands, **_commands(commands)}.items())
def test_every_command_and_option_is_on_the_page_of_the_command_line(name: str, command: click.Command) -> None:
    """A command has a heading of its own, and each of its options stands below it.

    Those that every command has stand at the head of the page, and those of every command of a group below the group.
    """
    head, *sections = re.split(r"^##+ (.+)\n", text("command-line.md"), flags=re.MULTILINE)
    below = {"": head, **dict(zip(sections[::2], sections[1::2], strict=True))}
    assert name in below
    options = _options(command)
    shared = {*_options(commands), "--yes", "--dry-run"} & options
    group = below[name.partition(" ")[0]] if " " in name else ""
    assert {option for option in shared if not _stands_in(head, option)} == set()
    assert {option for option in options - shared if not _stands_in(below[name] + group, option)} == set()


def _options(command: click.Command) -> set[str]:
    """Return the long options of a command, also those that turn something off."""
    found = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    return {option for each in found for option in (*each.opts, *each.secondary_opts) if option.startswith("--")}


def _stands_in(page: str, option: str) -> bool:
    return re.search(rf"{option}(?![\w-])", page) is not None


class Options:
    """Takes the options of a plugin as pytest does, to tell their names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, *_: str) -> Options:
        return self

    def addoption(self, name: str, **_: object) -> None:
        self.names.append(name)

    def addini(self, name: str, *_: str, **__: object) -> None:
        self.names.append(name)


def test_every_option_of_the_plugin_is_on_the_page_for_testers() -> None:
    """The options of the command line and those of the ini file, each as code."""
    options = Options()
    add_options(options)  # type: ignore[arg-type]
    assert {name.startswith("--") for name in options.names} == {True, False}
    page = text("testing-agents.md")
    assert [name for name in options.names if not re.search(f"`{name}[`=]", page)] == []


def test_every_fixture_is_on_the_page_for_testers() -> None:
    """What a test may ask for by name stands there as code."""
    source = ROOT / "packages" / "pytest-strands-sqlite" / "src" / "pytest_strands_sqlite" / "plugin.py"
    fixtures = re.findall(_FIXTURE, source.read_text("utf-8"), re.MULTILINE)
    assert "sqlite_session_manager" in fixtures
    assert [name for name in fixtures if f"`{name}`" not in text("testing-agents.md")] == []


def test_every_page_is_in_the_menu() -> None:
    """A page that nobody can find is as good as none; the menu is plain, so that other builders read it too."""
    listed: set[str] = set()

    def walk(entries: list[object]) -> None:
        for entry in entries:
            found = next(iter(entry.values())) if isinstance(entry, dict) else entry
            walk(found) if isinstance(found, list) else listed.add(str(found))

    lines = (ROOT / "mkdocs.yml").read_text("utf-8")
    walk(yaml.safe_load(lines)["nav"])
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert listed == pages


def test_the_summary_for_machines_names_every_page_of_the_menu() -> None:
    """`llms.txt` has a line for each page but those of changelogs and decisions, and none for a page that is gone."""
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    expected = {_address(page) for page in pages if not page.startswith(("changelog/", "development/decisions/"))}
    assert set(re.findall(r"^- \[.+\]\((.+)\)$", text("llms.txt"), re.MULTILINE)) == expected


def _address(page: str) -> str:
    """Return where the site has a page, seen from `llms.txt`."""
    return "./" if page == "index.md" else f"{page.removesuffix('.md')}/"
