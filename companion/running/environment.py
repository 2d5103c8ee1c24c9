"""Where the same inputs give the same bytes, whatever the user's machine is set to.

    .venv/bin/python -I companion/running/environment.py MODULE [ARGUMENTS]

runs a module there; all that the Makefile and the pipeline start goes through it. Of the user's variables, the module
sees those that `KEPT` lists, and those that `KEEP="NAME NAME"` names, and no other: every library reads variables of
its own, and nobody can list all that might change a result. This needs nothing but Python itself, from 3.8 on, so that
`pipeline/bootstrap.py` can say which one is needed.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
SPECIAL = "[*?:"  # in names of files: patterns to Sphinx, the end of a name in PYTHONPATH

KEPT = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TERM|CI|(DY)?LD_LIBRARY_PATH|PARAMS|KEEP|ENGINE|SITE"
    # how to reach the network, and a registry: its packages are those of the lock, or refused
    r"|(?i:(https?|ftp|all|no)_proxy)|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE"
    r"|(PIP|UV)_((DEFAULT_|EXTRA_)?INDEX(_URL)?|FIND_LINKS|NO_INDEX|(CLIENT_)?CERT|(TRUSTED|INSECURE)_HOST|PROXY"
    r"|(DEFAULT_|HTTP_)?TIMEOUT|RETRIES|CACHE_DIR|KEYRING_PROVIDER|NATIVE_TLS|OFFLINE)"
    r"|PIP_CONFIG_FILE|XDG_CONFIG_(HOME|DIRS)"  # of which the bootstrap lets pip see only such settings
    # how to submit a job
    r"|(SLURM|SBATCH|SRUN|SQUEUE|SINFO|SACCT|SCONTROL|SGE|PBS|TORQUE|LSF|LSB|FLUX|OAR|MUNGE)_\w+|KRB5CCNAME"
    # how to open a browser, for JupyterLab
    r"|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|BROWSER"
)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
FIXED = {
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONPATH": str(ROOT),
    "SOURCE_DATE_EPOCH": "1704067200",
    "LC_ALL": "C.UTF-8",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "MPLBACKEND": "agg",  # but in notebooks: see the kernel below
    # Processes share the cores, and the order of a sum must not depend on the number of cores.
    **dict.fromkeys(THREADS, "1"),
    # What else would be in the user's home, which need not be writable
    "JUPYTER_PATH": str(ROOT / "pipeline" / "jupyter"),  # the kernel: the Python of whoever starts it
    "JUPYTER_CONFIG_DIR": str(ROOT / "_build" / "user" / "jupyter"),
    "JUPYTER_DATA_DIR": str(ROOT / "_build" / "user" / "jupyter" / "data"),
    "JUPYTER_RUNTIME_DIR": str(ROOT / "_build" / "user" / "jupyter" / "runtime"),
    "IPYTHONDIR": str(ROOT / "_build" / "user" / "ipython"),
    "XDG_CACHE_HOME": str(ROOT / "_build" / "user" / "cache"),
}
SOCKETS = 60  # bytes of the folder's name that leave room for a socket's: a path of 103 bytes is all that it may have


def environment(prefix: str = sys.prefix) -> dict[str, str]:
    """The variables of a process, by name, whose Python is installed in `prefix`."""
    named = set(os.environ.get("KEEP", "").split())
    kept = {name: value for name, value in os.environ.items() if name in named or KEPT.fullmatch(name)}
    temporary = os.environ.get("TMPDIR", "")
    if 0 < len(os.fsencode(temporary)) <= SOCKETS:
        kept["TMPDIR"] = temporary
    # The list of fonts is made once, by the bootstrap: a chapter would report that it makes it.
    return {**FIXED, "MPLCONFIGDIR": os.path.join(prefix, "matplotlib"), **kept}


def become(module: str, *arguments: str, **variables: str) -> NoReturn:
    """Go on as a Python that runs a module in this environment, with some more variables."""
    found = sorted(set(SPECIAL) & set(str(ROOT)))
    if found:
        sys.exit(f"the path of this folder must have none of the characters {SPECIAL}, got {' '.join(found)} in {ROOT}")
    command = [sys.executable, "-m", "companion.running.run", module, *arguments]
    os.execve(sys.executable, command, {**environment(), **variables})


if __name__ == "__main__":
    become(*sys.argv[1:])
