"""The committed schemas are those of the models."""

from pathlib import Path

import pytest

from companion.running.structured import schema
from pipeline import schemas

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", schemas.SCHEMAS, ids=str)
def test_schemas_are_the_models(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == schema(schemas.SCHEMAS[path]), "make schemas refreshes it"


def test_schemas_are_refreshed_where_the_models_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for said in ("refreshed", "unchanged"):
        schemas.main()
        assert capsys.readouterr().out == "".join(f"{path}: {said}\n" for path in schemas.SCHEMAS)
    for path in schemas.SCHEMAS:
        assert path.read_text() == (ROOT / path).read_text()
