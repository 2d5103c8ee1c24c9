"""Structured files: JSON that models write, read and describe."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import WithDefaultSchema

T = TypeVar("T")


class FileError(ValueError):
    """A file cannot be read as what it should hold; the message names it and says why."""


class Model(BaseModel):
    """An object of a structured file: frozen, nothing in it converted or left over. What is None is absent there."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class _Schema(GenerateJsonSchema):
    """Without titles that only repeat the fields' names; and what is absent if it is None is not null."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: WithDefaultSchema) -> JsonSchemaValue:
        inner = schema["schema"]
        absent = schema.get("default", ...) is None and inner["type"] == "nullable"
        return self.generate_inner(inner["schema"]) if absent else super().default_schema(schema)


def read(path: Path, kind: TypeAdapter[T]) -> T:
    """What a file holds. Raises FileError if there is none, or if it is cut off or holds something else."""
    try:
        return kind.validate_json(path.read_bytes())
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise FileError(f"{path} cannot be read: {place + ': ' if place else ''}{first['msg']}") from None


def text(value: Model) -> str:
    """The content of the file."""
    return _json(value.model_dump(mode="json", by_alias=True, exclude_defaults=True))


def schema(kind: TypeAdapter[Any]) -> str:
    """The JSON schema of such files, as the content of one."""
    described = kind.json_schema(schema_generator=_Schema)
    return _json({"$schema": GenerateJsonSchema.schema_dialect, **described})


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
