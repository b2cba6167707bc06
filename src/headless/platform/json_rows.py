"""How are the elements of a JSON array read as rows, alike on both databases?"""

from __future__ import annotations

from typing import Any

from sqlalchemy import TableValuedAlias, column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from headless.platform.columns import Json


class Elements(GenericFunction[Any]):
    """The elements of a JSON array, or of the array under a name, as a table; nothing where there is none."""

    name = "json_elements"
    inherit_cache = True


@compiles(Elements)
def _of_jsonb(element: Elements, compiler: SQLCompiler, **kw: Any) -> str:
    return f"jsonb_array_elements({' -> '.join(compiler.process(part, **kw) for part in element.clauses)})"


@compiles(Elements, "sqlite")
def _of_text(element: Elements, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_each({', '.join(_path(element, compiler, **kw))})"


class Length(GenericFunction[Any]):
    """How many elements the array under a name has; null where there is none."""

    name = "json_elements_count"
    inherit_cache = True


@compiles(Length)
def _length_of_jsonb(element: Length, compiler: SQLCompiler, **kw: Any) -> str:
    return f"jsonb_array_length({' -> '.join(compiler.process(part, **kw) for part in element.clauses)})"


@compiles(Length, "sqlite")
def _length_of_text(element: Length, compiler: SQLCompiler, **kw: Any) -> str:
    return f"json_array_length({', '.join(_path(element, compiler, **kw))})"


def _path(element: GenericFunction[Any], compiler: SQLCompiler, **kw: Any) -> list[str]:
    document, *names = (compiler.process(part, **kw) for part in element.clauses)
    return [document, *(f"'$.' || {name}" for name in names)]


def rows_of(elements: Elements, name: str) -> TableValuedAlias:
    """A table of the elements, under a name, with the one column `value`."""
    value: Any = column("value", Json)
    return elements.table_valued(value, name=name, joins_implicitly=True)
