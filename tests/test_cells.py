"""The site's extension makes numbered figures of what cells show and refuses what has no description."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CELLS = Path(__file__).resolve().parents[1] / "book/_ext/cells.py"
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
    return {"cell_type": "code", "metadata": {}, "outputs": list(outputs)}


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
