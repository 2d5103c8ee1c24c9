"""Make .venv what the lock says: ``python3 pipeline/bootstrap.py [EXTRA ...]``. Needs nothing but Python itself.

An extra's lock, ``requirements-EXTRA.lock``, comes on top. Each step leaves a fingerprint of what it was made from, and
is redone only when that changes.
"""

import hashlib
import subprocess
import sys
import venv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"


def require_python() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"Python 3.11, 3.12 or 3.13 is needed; {sys.executable} is {found}.\n"
            "Name another one, for example: make book PYTHON=python3.12"
        )


def fingerprint(*sources: Path) -> str:
    """Of the sources, of this interpreter and of the folder, because a venv cannot be moved."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix} {ROOT}".encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()


def pip_install(*arguments: str) -> None:
    """Run pip, and say how far it is."""
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *arguments]
    found = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as pip:
        for line in pip.stdout or ():
            found += line.startswith("Collecting")
            if line.startswith("Collecting") and found % 20 == 0:
                print(f"  {found} packages found", flush=True)
            elif line.startswith("Installing collected"):
                print("  installing", flush=True)
    if pip.returncode:
        sys.exit("pip could not install the packages: see the message above")


def install_lock() -> None:
    print("Making .venv from requirements.lock; this takes a minute or two.", flush=True)
    venv.create(VENV, clear=True, symlinks=True, with_pip=True)
    pip_install("--require-hashes", "-r", "requirements.lock")
    # Otherwise the first notebook that draws would report that it builds the font cache.
    subprocess.run([PYTHON, "-c", "import matplotlib.font_manager"], check=True, stderr=subprocess.DEVNULL)


def install_package() -> None:
    print("Installing wnlib itself.", flush=True)
    pip_install("--no-deps", "--no-build-isolation", "--editable", ".")


def install_extra(lock: Path) -> None:
    print(f"Adding the packages of {lock.name}.", flush=True)
    pip_install("--require-hashes", "-r", lock.name)


def main(extras: Sequence[str] = ()) -> None:
    require_python()
    steps = [(install_lock, LOCK), (install_package, ROOT / "pyproject.toml")]
    for extra in extras:
        lock = ROOT / f"requirements-{extra}.lock"
        if not lock.exists():
            sys.exit(f"{extra!r} is no extra with a lock of its own: there is no {lock.name}")
        steps.append((partial(install_extra, lock), lock))
    for step, source in steps:
        mark = VENV / f"{source.name}.sha256"
        wanted = fingerprint(Path(__file__), source)
        if not mark.exists() or mark.read_text() != wanted:
            step()
            mark.write_text(wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
