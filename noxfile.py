"""Everything that is checked before a change lands: `uv run nox` runs all of it, `uv run nox -l` lists it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"

# Without bytecode every process that a test starts would compile the SDK anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).parent
CORE = "strands-sqlite-session-manager"
PLUGIN = "pytest-strands-sqlite"
MIRROR = "strands-sqlite-s3-mirror"

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
OLDEST, EXTRA = PYTHONS[0], "3.14"

# Tests whose outcome another Python, or another SDK, does not change.
SAME_ON_EVERY_PYTHON = (
    *(
        f"tests/core/{folder}"
        for folder in ("cli", "contract", "conversion", "objects", "snapshots", "storage_contract", "store")
    ),
    "tests/campaign",
    "tests/docs",
    "tests/mirror/*/*",
    "tests/mirror/test_[dfl]*",
    "tests/mirror/test_*_random.py",
    "tests/mirror/test_mirror_[!a]*",  # but test_mirror_agents.py
    "tests/mirror/test_push_[!r]*",  # but test_push_release.py
    "tests/pytest_plugin/test_contracts_*",
    "tests/pytest_plugin/test_plugin_loading.py",
    "tests/test_benchmarks.py",
)
SAME_WITH_EVERY_SDK = (
    *(
        f"tests/core/{folder}"
        for folder in ("cli", "conversion", "database", "objects", "processes", "storage_contract", "store")
    ),
    "tests/campaign",
    "tests/docs",
    "tests/mirror/*/*",
    "tests/mirror/test_[!m]*",
    "tests/mirror/test_mirror_[!a]*",  # but test_mirror_agents.py: agents that go on in S3
    "tests/packaging",
    "tests/pytest_plugin/test_contracts_*",
    "tests/pytest_plugin/test_plugin_loading.py",
    "tests/test_benchmarks.py",
)
SAME_WITH_THE_LOWEST = (
    *(f"tests/core/{folder}" for folder in ("cli", "conversion", "objects")),
    "tests/core/store/test_[!ahmv]*",  # but activity, history, search, what mirrors ask for, verify and views
)


def _is_installed(python: str) -> bool:
    """Tell whether uv finds an interpreter without downloading one."""
    command = ["uv", "python", "find", "--quiet", "--no-project", "--no-python-downloads", python]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if _is_installed(EXTRA):
    PYTHONS.append(EXTRA)


def _sync(session: nox.Session, group: str) -> None:
    """Install the workspace and one group of tools into the session's environment, as the lock says."""
    session.run_install(
        "uv",
        "sync",
        "--locked",
        "--quiet",
        "--no-default-groups",
        f"--group={group}",
        f"--python={session.virtualenv.location}",
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


def _pytest(session: nox.Session, *paths: str, under: tuple[str, ...] = (), env: dict[str, str] | None = None) -> None:
    """Run pytest on every core, on `paths` or on what is given after `--`."""
    session.run(*under, "pytest", "-n", "auto", "--dist", "worksteal", *(session.posargs or paths), env=env)


def _leaving_out(paths: tuple[str, ...]) -> list[str]:
    """Return the options with which pytest leaves out folders and files."""
    return [f"--ignore-glob={ROOT / path}" for path in paths]


def _show_versions(session: nox.Session, *names: str) -> str:
    """Log what is installed, where the lock does not say it, and return it."""
    code = f"import importlib.metadata as m; print(*(f'{{n}} {{m.version(n)}}' for n in {names}), sep=', ')"
    versions = str(session.run("python", "-c", code, silent=True)).strip()
    session.log(versions)
    return versions


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, the order of the rooms, and that the lock fits the packages."""
    _sync(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo")
    session.run("zizmor", "--offline", "--quiet", ".github/workflows", *map(str, ROOT.glob("examples/*/*.yml")))
    session.run("uv", "lock", "--check")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of the packages, and of user code that is never run."""
    _sync(session, "typing")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site; a broken link or a page that is in no menu is an error."""
    _sync(session, "docs")
    site = f"{session.create_tmp()}/site"
    session.run("mkdocs", "build", "--strict", f"--site-dir={site}", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(default=False)
def zensical(session: nox.Session) -> None:
    """Build the site with Zensical, the successor of the theme; where it fails, nothing is held up."""
    session.install("zensical", "mkdocstrings[python]")
    session.run("zensical", "build", "--config-file=mkdocs.yml", "--strict", success_codes=range(256))


@nox.session
def quickstart(session: nox.Session) -> None:
    """Run the example of the README from an empty folder."""
    _sync(session, "test")
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        session.run("python", str(ROOT / "examples" / "quickstart.py"))


def _build_wheels(session: nox.Session, *packages: str) -> list[str]:
    """Build the wheels of some packages, and return their paths."""
    wheels = Path(session.create_tmp()).absolute() / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    for package in packages:
        session.run("uv", "build", "--quiet", "--wheel", f"--package={package}", f"--out-dir={wheels}")
    return sorted(str(wheel) for wheel in wheels.glob("*.whl"))


def _install_wheels(session: nox.Session, packages: tuple[str, ...], *others: str) -> None:
    """Install the built wheels of some packages, and nothing else of this workspace; the lock says which versions."""
    wheels, locked = _build_wheels(session, *packages), Path(session.create_tmp()) / "locked.txt"
    pins = ["--all-packages", "--all-groups", "--no-emit-workspace", "--no-hashes"]
    session.run("uv", "export", "--quiet", "--locked", *pins, f"--output-file={locked}")
    session.install(*wheels, *others, f"--constraint={locked}")


@nox.session(reuse_venv=False)
def core_only(session: nox.Session) -> None:
    """Install the built wheel of the core and nothing else of this workspace, and use it."""
    _install_wheels(session, (CORE,), "pytest")
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        check = Path(folder, "check_core_only.py")
        check.write_bytes((ROOT / "tests" / "packaging" / check.name).read_bytes())
        session.run("python", "-I", "-m", "pytest", check.name, env={"WORKSPACE": str(ROOT)})


@nox.session(reuse_venv=False)
def downstream(session: nox.Session) -> None:
    """Run the tests of a project that has the built wheels alone, from a copy of it: in one process, and in four."""
    _install_wheels(session, (CORE, PLUGIN), "strands-agents", "pytest-xdist")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "downstream_agent")
        shutil.copytree(ROOT / "examples" / copy.name, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        with session.chdir(copy):
            session.run("python", "-I", "-m", "pytest")
            session.run("python", "-I", "-m", "pytest", "-n", "4")


@nox.session(default=False)
def mirror_a_release(session: nox.Session) -> None:
    """Mirror a database as the release of an application would: by the example, from wheels, to a real S3 server."""
    _sync(session, "test")
    wheels = _build_wheels(session, CORE, MIRROR)
    wanted = [f"{wheel}[cli]" if MIRROR.replace("-", "_") in wheel else wheel for wheel in wheels]
    env = {"MIRROR_WHEELS": os.pathsep.join(wanted), "NOX": f"{sys.executable} -m nox", "PYTHONPATH": str(ROOT)}
    session.run("python", "tests/packaging/rehearse_mirroring.py", env=env)


@nox.session
def release(session: nox.Session) -> None:
    """Rehearse a release, but for publishing it: build everything and look at it; with `-- --full`, use it too."""
    _sync(session, "release")
    dist = Path(session.create_tmp()).absolute() / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("uv", "build", "--quiet", "--all-packages", f"--out-dir={dist}")
    built = sorted(str(path) for path in dist.glob("*.[wt]*"))
    session.run("twine", "check", "--strict", *built)
    session.run("check-wheel-contents", str(dist))
    session.run("pytest", "-p", "no:cacheprovider", "tests/packaging/check_release.py", env={"DIST": str(dist)})
    for package in sorted(path.name for path in (ROOT / "packages").iterdir()):
        version = str(session.run("uv", "version", "--short", f"--package={package}", silent=True)).strip()
        session.run("towncrier", "build", "--draft", f"--version={version}", f"--dir=packages/{package}")
    if "--full" in session.posargs:
        for name in ("core_only", "downstream", "mirror_a_release", "docs"):
            session.notify(name, posargs=())


@nox.session
def resolve_3_14(session: nox.Session) -> None:
    """Find wheels of all runtime dependencies for Python 3.14, which need not be installed."""
    projects = sorted(str(path) for path in ROOT.glob("packages/*/pyproject.toml"))
    target = ["--python-version=3.14", "--only-binary=:all:"]
    session.run("uv", "pip", "compile", "--quiet", *target, f"--output-file={session.create_tmp()}/3.14.txt", *projects)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with what the lock says: on the newest Python all of them, on the others what may differ there.

    On the oldest, `lowest` runs the tests of the core.
    """
    _sync(session, "test")
    if session.python == PYTHONS[-1]:
        _pytest(session)
        return
    others = ("tests/core",) if session.python == OLDEST else ("tests/mirror", "tests/pytest_plugin")
    _pytest(session, *_leaving_out((*SAME_ON_EVERY_PYTHON, *others)))


@nox.session
@nox.parametrize("strands", ["1.58", "newest"], ids=["1.58", "newest"])
def sdk(session: nox.Session, strands: str) -> None:
    """Run what touches the SDK with another release of strands-agents; `lowest` does it with the oldest."""
    _sync(session, "test")
    locked = _show_versions(session, "strands-agents")
    if strands == "newest":
        session.install("--upgrade-package=strands-agents", "strands-agents<2")
    else:
        session.install(f"strands-agents=={strands}.*")
    if _show_versions(session, "strands-agents") == locked:
        session.log("this is the release in the lock, with which all other sessions run")
        return
    _pytest(session, *_leaving_out(SAME_WITH_EVERY_SDK))


@nox.session(python=OLDEST)
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that core and mirror declare, on the oldest Python."""
    packages = [f"--editable=packages/{package}[cli]" for package in (CORE, MIRROR)]
    session.install("--resolution=lowest-direct", *packages)
    oldest = Path(session.virtualenv.location, "oldest.txt")
    names = ("strands-agents", "apsw", "boto3", "click")
    oldest.write_text("\n".join(_show_versions(session, *names).replace(" ", "==").split(",==")))
    session.install("--group=test", f"--editable=packages/{PLUGIN}", f"--constraint={oldest}")
    _show_versions(session, *names)
    mirror = ("test_mirror_agents.py", "test_mirror_bucket.py", "test_push_release.py")
    paths = ("tests/core", *(f"tests/mirror/{name}" for name in mirror))
    _pytest(session, *paths, *_leaving_out(SAME_WITH_THE_LOWEST))


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Measure which branches the tests take, in the processes that they start too; it takes twice their time."""
    _sync(session, "test")
    env = {"COVERAGE_FILE": str(Path(session.virtualenv.location).absolute() / "coverage")}
    _pytest(session, under=("coverage", "run", "-m"), env=env)
    session.run("coverage", "combine", "--quiet", env=env)
    session.run("coverage", "report", env=env)


@nox.session(default=False)
def campaign(session: nox.Session) -> None:
    """Lose power, kill processes, fail disks and feed nonsense, for most of an hour; the gate does it for seconds."""
    _sync(session, "test")
    effort = os.environ.get("STRANDS_SQLITE_CAMPAIGN", "2")
    endless = "--override-ini=faulthandler_timeout=0"  # here a test may take hours
    cuts = ("tests/mirror/test_push_interrupted.py", "tests/mirror/test_push_random.py", "tests/mirror/releases")
    _pytest(session, "tests/campaign", *cuts, endless, env={"STRANDS_SQLITE_CAMPAIGN": effort})


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Kill a writing process 200 times at each durability; the gate does it 20 times."""
    _sync(session, "test")
    kills_a_test = {"STRANDS_SQLITE_KILLS": "200"}
    tests = ("tests/core/processes/test_kill.py", "tests/core/processes/test_kill_objects.py")
    session.run("pytest", "-v", *tests, *session.posargs, env=kills_a_test)
