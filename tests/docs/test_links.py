"""Links that the build of the site does not follow lead somewhere all the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BESIDE_THE_SITE = sorted([*ROOT.glob("*.md"), *ROOT.glob("packages/*/README.md"), *ROOT.glob("examples/*/README.md")])
PAGES = {str(path.relative_to(ROOT)): path for path in (*BESIDE_THE_SITE, *sorted(ROOT.glob("docs/**/*.md")))}

_LINK = re.compile(r"\]\(([^)\s#]+)")
_IN_THE_REPOSITORY = re.compile(r"https://github\.com/strands-sqlite/strands-sqlite/(?:blob|tree)/main/(.+)")


def _targets(path: Path) -> list[Path]:
    """Return the files of this repository to which a page links; those of the site are the build's to follow."""
    links = _LINK.findall(path.read_text("utf-8"))
    targets = [ROOT / found[1] for link in links if (found := _IN_THE_REPOSITORY.fullmatch(link))]
    if path in BESIDE_THE_SITE:
        targets += [path.parent / link for link in links if "://" not in link]
    return targets


@pytest.mark.parametrize("name", PAGES)
def test_a_link_to_a_file_of_the_repository_leads_to_one(name: str) -> None:
    """Relative ones from a README, and those with the address of the repository from anywhere."""
    assert [target for target in _targets(PAGES[name]) if not target.exists()] == []


def test_links_are_found() -> None:
    """The README names the other guides, and the packages their pages."""
    assert {path.name for path in _targets(ROOT / "README.md")} >= {"CONTRIBUTING.md", "SECURITY.md", "LICENSE"}
    assert _targets(ROOT / "packages" / "pytest-strands-sqlite" / "README.md") == [ROOT / "docs" / "testing-agents.md"]
