"""`make lab`: the chapters as copies that a reader may edit, and JupyterLab that runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import nbformat
import pytest

from companion.running.environment import FIXED
from pipeline import lab
from pipeline.parameters import ParameterError

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = "depth: int = 2  # 1..6: number of factors L"
INDEX, OTHER = (Path("_build", "lab", f"{name}.ipynb") for name in ("index", "other"))


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a book of two chapters, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("index", "other"):
        cells = [nbformat.v4.new_markdown_cell(f"# {name}")]
        cells += [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
        cells += [nbformat.v4.new_code_cell("print(depth)")]
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / f"{name}.ipynb")
    return tmp_path


def sources(path: Path) -> list[str]:
    return [cell["source"] for cell in nbformat.read(path, as_version=4)["cells"]]


def change(path: Path, cell: int, **fields: Any) -> None:
    """What saving a notebook in JupyterLab does to its file."""
    notebook = nbformat.read(path, as_version=4)
    notebook["cells"][cell] |= fields
    notebook["metadata"]["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    nbformat.write(notebook, path)


def run(path: Path) -> None:
    """What running a cell does to it."""
    output = nbformat.v4.new_output("stream", name="stdout", text="2\n")
    change(path, 2, execution_count=1, outputs=[output])


@pytest.mark.usefixtures("book")
def test_copies_carry_the_parameters_and_leave_the_chapters_alone() -> None:
    before = [path.read_bytes() for path in sorted(Path("notebooks").iterdir())]
    assert lab.copy_chapters("depth=3") == []
    for path in (INDEX, OTHER):
        assert sources(path)[1:] == [PARAMETERS.replace("2", "3", 1), "print(depth)"]
    assert [path.read_bytes() for path in sorted(Path("notebooks").iterdir())] == before


@pytest.mark.usefixtures("book")
def test_what_is_wrong_is_refused_before_anything_is_written() -> None:
    with pytest.raises(ParameterError, match="outside its domain"):
        lab.copy_chapters("depth=7")
    assert not Path("_build").exists()


@pytest.mark.usefixtures("book")
def test_an_edited_copy_is_kept_and_named() -> None:
    lab.copy_chapters("")
    change(INDEX, 2, source="print(depth + 1)")
    edited = INDEX.read_bytes()
    for settings in ("depth=3", "depth=4", ""):
        assert lab.copy_chapters(settings) == [INDEX]
        assert INDEX.read_bytes() == edited
    lab.copy_chapters("depth=4")
    assert "depth: int = 4" in sources(OTHER)[1]
    INDEX.unlink()
    assert lab.copy_chapters("depth=4") == []
    assert sources(INDEX)[1:] == sources(OTHER)[1:]


@pytest.mark.usefixtures("book")
def test_to_run_a_copy_is_not_to_edit_it() -> None:
    lab.copy_chapters("")
    run(INDEX)
    executed = INDEX.read_bytes()
    assert lab.copy_chapters("") == []
    assert INDEX.read_bytes() == executed  # the outputs are those of these parameters
    assert lab.copy_chapters("depth=3") == []
    assert "depth: int = 3" in sources(INDEX)[1]


@pytest.mark.usefixtures("book")
def test_a_copy_of_unknown_origin_is_kept() -> None:
    lab.copy_chapters("")
    shutil.rmtree(lab.LAST)
    run(INDEX)
    assert lab.copy_chapters("depth=3") == [INDEX, OTHER]
    assert lab.copy_chapters("") == []


@pytest.mark.usefixtures("book")
def test_a_changed_chapter_reaches_a_copy_that_nobody_edited() -> None:
    lab.copy_chapters("")
    run(OTHER)
    change(INDEX, 0, source="# My own title")
    for name in ("index", "other"):
        change(Path("notebooks", f"{name}.ipynb"), 2, source="print(2 * depth)")
    assert lab.copy_chapters("") == [INDEX]
    assert sources(OTHER)[2] == "print(2 * depth)"
    assert sources(INDEX)[::2] == ["# My own title", "print(depth)"]


class Server:
    """A running JupyterLab, and its REST interface."""

    def __init__(self, book: Path, settings: str) -> None:
        if find_spec("jupyterlab") is None:
            reason = "no JupyterLab in this environment: make lab installs it"
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
        self.runtime, self.said = Path(FIXED["JUPYTER_RUNTIME_DIR"]), ""
        command = [sys.executable, "-I", str(ROOT / "companion" / "running" / "environment.py"), "pipeline.lab"]
        command += ["--no-browser", "--IdentityProvider.token=secret"]
        environment = {**os.environ, "PARAMS": settings}
        self.process = subprocess.Popen(command, cwd=book, env=environment, stdout=subprocess.PIPE, text=True)

    def started(self) -> str:
        """Wait for the server; its address."""
        deadline, place = time.monotonic() + 60, self.runtime / f"jpserver-{self.process.pid}.json"
        while True:
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            with suppress(OSError, ValueError):  # no file yet, one that is being written, nobody who answers yet
                address: str = json.loads(place.read_text())["url"]
                urlopen(address + "api", timeout=60).close()
                return address
            time.sleep(0.1)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = Request(self.started() + path, data, {"Authorization": "token secret"}, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    @contextmanager
    def kernel(self, chapter: str) -> Iterator[Kernel]:
        """The kernel that JupyterLab starts for a chapter."""
        from websocket import create_connection  # JupyterLab brings it

        wanted = {"path": chapter, "name": chapter, "type": "notebook", "kernel": {"name": "python3"}}
        session = self.ask("POST", "api/sessions", wanted)
        place = self.started().replace("http", "ws", 1)
        channels = f"{place}api/kernels/{session['kernel']['id']}/channels?token=secret"
        with closing(create_connection(channels, timeout=120)) as connection:
            yield Kernel(connection)
        self.ask("DELETE", f"api/sessions/{session['id']}")


class Kernel:
    """A kernel as JupyterLab's page speaks to it."""

    def __init__(self, connection: Any) -> None:
        self.connection, self.asked = connection, 0

    def printed(self, code: str) -> str:
        """What a cell prints; it must not fail."""
        self.asked += 1
        header = {"msg_id": str(self.asked), "msg_type": "execute_request", "session": "test", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.connection.send(json.dumps(message))
        heard: dict[str, list[dict[str, Any]]] = {}
        while not {"execute_reply", "idle"} <= heard.keys():
            answer = json.loads(self.connection.recv())
            if answer["parent_header"].get("msg_id") == header["msg_id"]:
                kind = answer["content"].get("execution_state", answer["header"]["msg_type"])
                heard.setdefault(kind, []).append(answer["content"])
        assert heard["execute_reply"][0]["status"] == "ok", heard["execute_reply"]
        return "".join(part["text"] for part in heard.get("stream", []))


@contextmanager
def opened(book: Path, settings: str) -> Iterator[Server]:
    server = Server(book, settings)
    with server.process:
        try:
            yield server
        finally:
            server.process.terminate()
            server.said = server.process.communicate(timeout=60)[0]


@pytest.mark.pipeline
def test_a_chapter_is_edited_and_run_with_another_parameter(book: Path) -> None:
    shutil.copy(ROOT / "notebooks" / "index.ipynb", "notebooks")
    with opened(book, "depth=3") as server:
        content = server.ask("GET", "api/contents/index.ipynb")["content"]
        codes = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
        assert "depth: int = 3" in codes[0]["source"]
        codes[-1]["source"] += "\nprint('at depth', depth)"
        server.ask("PUT", "api/contents/index.ipynb", {"type": "notebook", "format": "json", "content": content})
        with server.kernel("index.ipynb") as kernel:
            said = [kernel.printed(cell["source"]) for cell in codes]
            assert any("verified: with weight normalization the end depends less on the start" in each for each in said)
            assert said[-1].endswith("at depth 3\n")
            assert kernel.printed("import sys; print(sys.executable)").strip() == sys.executable
    edited = INDEX.read_bytes()
    with opened(book, "depth=4") as server:
        server.started()
    assert f"{INDEX} has been edited and stays as it is" in server.said
    assert INDEX.read_bytes() == edited
    assert "depth: int = 4" in sources(OTHER)[1]
