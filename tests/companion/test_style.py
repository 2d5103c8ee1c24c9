"""How a chapter shows a figure, and says of it that its numbers are stored."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import pytest

from companion.plots import style
from companion.running.record import Record, mark

RECORD = Record("companion.experiments.nowhere", (), lambda task: (), sample=())
MARK = "[{ref}`Stored results <stored-results>`: `make records ONLY=nowhere`]{.stored}"


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """What is shown, in order: data and options."""
    found: list[tuple[dict[str, str], dict[str, Any]]] = []
    monkeypatch.setattr(style, "display", lambda data, **options: found.append((data, options)))
    return found


def test_a_mark_names_the_command() -> None:
    assert RECORD.mark == mark("make records ONLY=nowhere") == MARK


@pytest.mark.parametrize(("stored", "caption"), [(None, "The loss falls."), (RECORD, f"The loss falls. {MARK}")])
def test_the_caption_of_a_stored_figure_ends_with_the_mark(
    displayed: list[tuple[dict[str, str], dict[str, Any]]], stored: Record | None, caption: str
) -> None:
    style.show(plt.figure(), "loss", "A falling line", "The loss falls.", stored)
    [(image, _), (below, options)] = displayed
    assert image["image/svg+xml"].rstrip().endswith("</svg>")
    assert image["text/plain"] == "A falling line"
    assert (below, options["metadata"]) == ({"text/markdown": caption}, {"figure": "loss"})
    assert not plt.get_fignums()
