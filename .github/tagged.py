"""Build into dist/ the one package that a tag names: `python .github/tagged.py core-0.2.0`."""

import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "core": "strands-sqlite-session-manager",
    "mirror": "strands-sqlite-s3-mirror",
    "plugin": "pytest-strands-sqlite",
}


def main(tag: str) -> None:
    """Refuse a tag that does not say the version of its package, else build that."""
    name, _, wanted = tag.partition("-")
    if name not in PACKAGES:
        sys.exit(f"the tag {tag} names no package: it must begin with one of {', '.join(PACKAGES)}")
    package = PACKAGES[name]
    asked = ["uv", "version", "--short", f"--package={package}"]
    version = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    if version != wanted:
        sys.exit(f"the tag {tag} says {wanted}, but {package} has version {version}: set it with `uv version`")
    if waiting := sorted(Path("packages", package, "changes").glob("*.md")):
        sys.exit(f"{waiting[0]} is not in the changelog yet: run `towncrier build` in packages/{package}")
    subprocess.run(["uv", "build", f"--package={package}", "--out-dir=dist"], check=True)


if __name__ == "__main__":
    main(sys.argv[1])
