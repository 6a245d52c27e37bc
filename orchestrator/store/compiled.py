"""Core statements as the text their driver runs, compiled once.

SQLAlchemy's execution costs more than an insert does; the writer therefore hands compiled text and plain
rows to the driver.
"""

from typing import Literal

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.elements import ClauseElement

DIALECTS = {
    "sqlite": pysqlite.dialect(paramstyle="qmark"),
    "postgresql": psycopg.dialect(paramstyle="format"),
}


class Compiled:
    """The texts of one connection's statements. Parameters stand in the order of the text."""

    def __init__(self, kind: Literal["sqlite", "postgresql"]):
        self._dialect = DIALECTS[kind]
        self._texts: dict[Executable, str] = {}

    def text(self, statement: Executable) -> str:
        found = self._texts.get(statement)
        if found is None:
            assert isinstance(statement, ClauseElement)
            found = self._texts[statement] = str(statement.compile(dialect=self._dialect))
        return found
