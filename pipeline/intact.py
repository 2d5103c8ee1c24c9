"""Whether what was built is still as it was built: what is not is built again, and said to be.

Files appear whole; but a disk may have been full, or a hand may have been there. Notebooks and verifications are JSON,
which is read. A folder of pages is sealed when it is complete: `_build/seals` has the digests of its files.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from companion.running import files

BUILD = Path("_build")
SEALS = BUILD / "seals"
SITE, MARK = BUILD / "html", BUILD / "html" / ".nojekyll"  # without the mark, the site is built in any case


def seal(folder: Path) -> None:
    """Remember what a folder of `_build` holds, now that it is complete."""
    digests = {path.relative_to(folder).as_posix(): _digest(path) for path in folder.rglob("*") if path.is_file()}
    files.write(SEALS / f"{folder.name}.json", json.dumps(dict(sorted(digests.items())), indent=1) + "\n")


def check() -> list[Path]:
    """Remove what is not as it was built, and name it; of the site, which stays until there is a new one, the mark."""
    removed = []
    for path in sorted([*BUILD.glob("executed/*.ipynb"), *BUILD.glob("ledger/*.json"), *BUILD.glob("ledger.json")]):
        if error := _unreadable(path):
            print(f"{path} cannot be read, so that it is made again: {error}", flush=True)
            path.unlink()
            removed.append(path)
    for path in sorted(SEALS.glob("*.json")):
        folder = BUILD / path.stem
        digests = {} if _unreadable(path) else json.loads(path.read_bytes())
        changed = [folder / name for name, digest in digests.items() if _digest(folder / name) != digest]
        if changed and (MARK if folder == SITE else folder).exists():
            print(f"{changed[0]} is not as it was built, so that {folder} is built again", flush=True)
            if folder == SITE:
                MARK.unlink()
            else:
                shutil.rmtree(folder)
                removed.append(folder)
    return removed


def _unreadable(path: Path) -> str:
    """Why a file is no object of JSON; nothing if it is one."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        return str(error)
    return "" if isinstance(found, dict) else "there is no object in it"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
