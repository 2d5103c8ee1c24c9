"""Settings of the user's machine neither change what is built nor break it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_book import DEPTH, Book

pytestmark = pytest.mark.pipeline

LOOK = """
import locale, os, sys, tempfile, time
from wnlib import square

print(__debug__, square(3), time.tzname, locale.getlocale(), sys.flags.optimize, hash("a"))
print(os.environ["OMP_NUM_THREADS"], os.environ.get("COLUMNS"), os.get_terminal_size.__name__)
1 + 1
2 + 2
"""
DRAW = "import matplotlib.pyplot as plt\n\nplt.plot([1, 2]);"
OTHER = "print('a setting of mine')\n"


def machine(root: Path) -> dict[str, str]:
    """Variables that a user's shell may have set, and the files that they lead to."""

    def file(place: str, text: str) -> str:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    profile = "home/.ipython/profile_default"
    file(f"{profile}/startup/first.py", OTHER)
    file(f"{profile}/ipython_config.py", "get_config().InteractiveShell.ast_node_interactivity = 'all'")
    red = file("home/.config/matplotlib/matplotlibrc", "figure.facecolor: red\n")
    kernel = {"argv": ["false", "{connection_file}"], "display_name": "Mine", "language": "python"}
    for place in ("home/.local/share/jupyter", "jupyter"):
        file(f"{place}/kernels/python3/kernel.json", json.dumps(kernel))
    file("python/wnlib/__init__.py", "def square(x):\n    return 0\n")
    file("python/sitecustomize.py", OTHER)
    long = root / ("long" * 30)
    long.mkdir()
    return {
        "HOME": str(root / "home"),
        "PYTHONOPTIMIZE": "2",
        "PYTHONPATH": str(root / "python"),
        "PYTHONSTARTUP": file("startup.py", OTHER),
        "PYTHONWARNINGS": "error",
        "PYTHONHASHSEED": "7",
        "JUPYTER_PATH": str(root / "jupyter"),
        "MPLBACKEND": "agg",
        "MATPLOTLIBRC": red,
        "SNAKEMAKE_PROFILE": "mine",
        "BASH_ENV": file("bash", "echo a setting of mine\n"),
        "TMPDIR": str(long),
        "XDG_CACHE_HOME": "/dev/null/cache",
        "LC_ALL": "C",
        "TZ": "Asia/Tokyo",
        "COLUMNS": "20",
        "OMP_NUM_THREADS": "7",
    }


def test_the_users_settings_change_nothing(tmp_path: Path) -> None:
    book = Book(tmp_path / "book", "index")
    book.notebook("index", DEPTH, LOOK, DRAW)
    book.build()
    built = {**book.site(), "index": book.executed("index").read_bytes()}
    assert "True 9" in book.printed("index")
    said = book.build("--forceall", **machine(tmp_path))
    assert "a setting of mine" not in said
    assert {**book.site(), "index": book.executed("index").read_bytes()} == built
    book.build("executed", "--forceall", HOME="/dev/null")
