"""Show the site on this machine: ``python3 -m pipeline.serve [PORT]``. Needs nothing but Python itself."""

from __future__ import annotations

import errno
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path("_build", "html")


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def server(port: str) -> ThreadingHTTPServer:
    """A server of the site. Exits, with a line that says why, where there can be none."""
    if not (SITE / "index.html").exists():
        sys.exit("There is no site yet: make book builds it.")
    if not (port.isdecimal() and 0 <= int(port) < 65536):
        sys.exit(f"PORT must be a number from 0 to 65535, got {port!r}")
    try:
        return ThreadingHTTPServer(("localhost", int(port)), partial(Quiet, directory=str(SITE)))
    except OSError as error:
        taken = "port {0} is in use: make serve PORT={1} takes another"
        other = int(port) % 65535 + 1
        sys.exit(taken.format(port, other) if error.errno == errno.EADDRINUSE else f"port {port}: {error.strerror}")


def main(port: str = "8000") -> None:
    with server(port) as running:
        print(f"http://localhost:{running.server_port} shows the site until ctrl-C", flush=True)
        running.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
