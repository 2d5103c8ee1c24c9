"""The site's extension makes numbered figures of what cells show, refuses what has no description, quotes theorems."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CELLS = Path(__file__).resolve().parents[2] / "book/_ext/cells.py"
IMAGE = {"data": {"image/svg+xml": "<svg/>", "text/plain": "A falling line"}, "metadata": {}}
CAPTION = {"data": {"text/markdown": ["The loss ", "falls."]}, "metadata": {"figure": "loss"}}
PRINTED = {"name": "stdout", "text": ["verified: ", "drift <= 1e-9\n"]}


@pytest.fixture(scope="module")
def cells() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cells", CELLS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cell(*outputs: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "id": "cell", "metadata": {}, "outputs": list(outputs)}


def shown(part: str, name: str = "sphere") -> dict[str, Any]:
    return {"data": {"text/markdown": f"The {part}"}, "metadata": {"theorem": name, "part": part}}


def test_a_captioned_image_becomes_a_figure(cells: ModuleType) -> None:
    figure = cell(PRINTED, IMAGE, CAPTION)
    assert cells.caption_figure(figure) is None
    assert figure["outputs"] == [PRINTED, IMAGE]
    assert figure["metadata"]["mystnb"] == {
        "image": {"alt": "A falling line"},
        "figure": {"name": "loss", "caption": "The loss falls."},
    }


@pytest.mark.parametrize(
    ("outputs", "defect"),
    [
        ([IMAGE], "not 1 with 0"),
        ([CAPTION], "not 0 with 1"),
        ([IMAGE, CAPTION, IMAGE, CAPTION], "not 2 with 2"),
        ([{"data": {"image/png": ""}}, CAPTION], "not ''"),
        ([{"data": {"image/png": "", "text/plain": "<Figure size 640x480>"}}, CAPTION], "not '<Figure"),
    ],
)
def test_an_image_without_description_is_refused(cells: ModuleType, outputs: list[dict[str, Any]], defect: str) -> None:
    assert defect in cells.caption_figure(cell(*outputs))


def test_only_a_cell_that_prints_a_verdict_is_tagged(cells: ModuleType) -> None:
    verdict, other = cell(PRINTED), cell({"name": "stdout", "text": "not yet verified:"}, IMAGE)
    cells.tag_verdict(verdict)
    cells.tag_verdict(other)
    assert verdict["metadata"] == {"tags": ["verdict"]}
    assert other["metadata"] == {}


@pytest.fixture
def quoted(tmp_path: Path) -> Path:
    (tmp_path / "sphere.statement.md").write_text(":::{prf:theorem} Sphere\n:nonumber:\n\nIt says.\n:::")
    (tmp_path / "sphere.proof.md").write_text(":::{prf:proof}\n\nBecause.\n:::")
    return tmp_path


def test_a_theorem_is_quoted_with_a_label_of_the_chapter(cells: ModuleType, quoted: Path) -> None:
    both = cell(PRINTED, shown("statement"), shown("proof"))
    statement, proof = cells.quote_theorems(both, quoted, "setting")
    assert both["outputs"] == [PRINTED]
    assert statement["source"] == ":::{prf:theorem} Sphere\n:label: setting-sphere\n:nonumber:\n\nIt says.\n:::"
    assert proof["source"] == ":::{prf:proof}\n\nBecause.\n:::"
    assert statement["id"] != proof["id"]
    assert {quote["cell_type"] for quote in (statement, proof)} == {"markdown"}


@pytest.mark.parametrize("output", [shown("statement", "cube"), shown("corollary")])
def test_what_no_theorem_file_holds_is_refused(cells: ModuleType, quoted: Path, output: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="which no theorem file holds"):
        cells.quote_theorems(cell(output), quoted, "setting")
