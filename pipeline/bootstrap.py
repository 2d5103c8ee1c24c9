"""Make .venv what the lock says: ``python3 -m pipeline.bootstrap [EXTRA ...]``. Needs nothing but Python itself.

An extra's lock, ``requirements-EXTRA.lock``, comes on top; with ``--apart NAME``, that of ``NAME`` is all that
``.venv-NAME`` has. Each step leaves a fingerprint of what it was made from, and is redone only when that changes. A
folder that is replaced stands aside as ``.venv.aside`` until the new one is there, and comes back if that fails.
"""

from __future__ import annotations

import argparse
import ast
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from companion.running.environment import KEPT, environment

ROOT = Path(__file__).resolve().parent.parent


def require_python() -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"Python 3.11, 3.12 or 3.13 is needed; {sys.executable} is {found}.\n"
            "Name another one, for example: make book PYTHON=python3.12"
        )
    if find_spec("ensurepip") is None:
        sys.exit(f"{sys.executable} lacks ensurepip: on Debian and Ubuntu, the package python3-venv brings it")


def fingerprint(*sources: Path) -> str:
    """Of the sources, of this interpreter and of the folder, because a venv cannot be moved."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix} {ROOT}".encode())
    for source in (Path(__file__), *sources):
        digest.update(source.read_bytes())
    return digest.hexdigest()


@contextmanager
def alone() -> Iterator[None]:
    """Wait until nobody else makes an environment in this folder, and keep others from it."""
    (ROOT / "_build").mkdir(exist_ok=True)
    with open(ROOT / "_build" / "bootstrap", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another command that makes an environment in this folder.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Environment:
    """A folder with a Python and packages, `.venv` or `.venv-NAME`."""

    def __init__(self, name: str) -> None:
        self.folder = ROOT / name
        self.aside = ROOT / f"{name}.aside"
        self.log = ROOT / "_build" / f"pip{name}.log"
        for path in (self.folder, self.aside):
            if path.is_symlink() or (path.exists() and not path.is_dir()):
                sys.exit(f"{path} must be a folder of its own, for it is emptied: remove or rename the link or file")

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def mark(self, step: str) -> Path:
        return self.folder / f"{step}.sha256"

    def step(self, name: str, do: Callable[[], None], *sources: Path) -> None:
        """Do a step, unless it has been done with the same sources."""
        mark, wanted = self.mark(name), fingerprint(*sources)
        if not mark.exists() or mark.read_text() != wanted:
            do()
            mark.write_text(wanted)

    def base(self, lock: str) -> None:
        """What the lock says, in a new folder if there is to be a change."""
        self.settle(lock)
        self.step(lock, partial(self.make, lock), ROOT / lock)
        self.settle(lock)

    def settle(self, lock: str) -> None:
        """Have back what stands aside, unless the folder has been made to its end."""
        if self.aside.exists() and not self.mark(lock).exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.aside.rename(self.folder)
        shutil.rmtree(self.aside, ignore_errors=True)

    def make(self, lock: str) -> None:
        """Make the folder anew, with the packages of a lock."""
        print(f"Making {self.folder.name} from {lock}; this takes a minute or two.", flush=True)
        if self.folder.exists():
            self.folder.rename(self.aside)
        try:
            venv.create(self.folder, symlinks=True, with_pip=True)
            self.install(lock)
            self.list_fonts()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.settle(lock)
            raise

    def list_fonts(self) -> None:
        """Have Matplotlib, if there is one, do so once: the first notebook that draws would report it."""
        command = [self.python, "-c", "import matplotlib.font_manager"]
        subprocess.run(command, env=environment(str(self.folder)), capture_output=True)

    def install(self, lock: str) -> None:
        self.pip("--require-hashes", "-r", lock)

    def pip(self, *arguments: str) -> None:
        """Have pip install, say how far it is, and keep all that it says."""
        found, errors = 0, []
        with self.log.open("w") as log, self.started("install", "--no-input", *arguments) as pip:
            try:
                for line in pip.stdout or ():
                    log.write(line)
                    found += line.startswith("Collecting")
                    if line.startswith("Collecting") and found % 50 == 0:
                        print(f"  {found} packages found", flush=True)
                    elif line.startswith("Installing collected"):
                        print("  installing", flush=True)
                    elif line.startswith("ERROR: "):
                        errors.append(line)
            except BaseException:
                pip.kill()
                raise
        if pip.returncode:
            sys.exit(f"{''.join(errors)}pip could not install {arguments[-1]}: all that it said is in {self.log}")

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """A running pip, whose streams are one."""
        command, variables = [self.python, "-m", "pip", *arguments], self.settings()
        both = subprocess.STDOUT
        return subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=both, text=True)

    def settings(self) -> dict[str, str]:
        """The variables of pip. The user's settings may tell it how to reach a registry, and nothing else."""
        command = [self.python, "-m", "pip", "config", "list"]
        said = subprocess.run(command, env=environment(), capture_output=True, text=True).stdout
        found = {}
        for name, _, value in (line.partition("=") for line in said.splitlines()):
            section, _, key = name.rpartition(".")
            variable = f"PIP_{key.upper().replace('-', '_')}"
            if section in ("global", "install") and KEPT.fullmatch(variable):
                found[variable] = ast.literal_eval(value)
        own = {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        variables = {**found, **environment(str(self.folder)), **own}
        del variables["XDG_CACHE_HOME"]  # what has been downloaded is not only for this folder
        return variables


def package(place: Environment) -> None:
    print("Installing wnlib itself.", flush=True)
    place.pip("--no-deps", "--no-build-isolation", "--editable", ".")


def extra(place: Environment, lock: str) -> None:
    print(f"Adding the packages of {lock}.", flush=True)
    place.install(lock)


def unlocked(place: Environment, requirement: str) -> None:
    print(f"Adding {requirement}.", flush=True)
    place.pip(requirement)


def locks(names: Sequence[str]) -> list[str]:
    found = [f"requirements-{name}.lock" for name in names]
    for name, lock in zip(names, found, strict=True):
        if not (ROOT / lock).exists():
            sys.exit(f"{name!r} is no extra with a lock of its own: there is no {lock}")
    return found


def main(given: Sequence[str] = ()) -> None:
    require_python()
    parser = argparse.ArgumentParser(prog="python3 -m pipeline.bootstrap", description="Make .venv what the lock says.")
    parser.add_argument("extras", nargs="*", help="extras whose locks come on top")
    parser.add_argument("--apart", metavar="NAME", help="make .venv-NAME from the lock of this extra instead")
    parser.add_argument("--with", dest="unlocked", metavar="REQUIREMENT", help="add it as the registry has it")
    options = parser.parse_args(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # as an exception, after which the old one comes back
    extras = locks(options.extras)
    [base] = locks([options.apart]) if options.apart else ["requirements.lock"]
    with alone():
        place = Environment(f".venv-{options.apart}" if options.apart else ".venv")
        place.base(base)
        if not options.apart:
            place.step("pyproject.toml", partial(package, place), ROOT / "pyproject.toml")
        for lock in extras:
            place.step(lock, partial(extra, place, lock), ROOT / lock)
        if options.unlocked:
            place.step(options.unlocked, partial(unlocked, place, options.unlocked))


if __name__ == "__main__":
    main(sys.argv[1:])
