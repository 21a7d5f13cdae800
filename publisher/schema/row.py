"""The base of every table, and how Python types map to columns."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as UUID_COLUMN
from sqlalchemy.orm import DeclarativeBase


class BigInt(int):
    """An integer of 64 bits."""


class Row(DeclarativeBase):
    """A row of a table; names end in `Row`, so that they are never taken for the value that they store."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text(),
        bytes: LargeBinary(),
        datetime: TIMESTAMP(timezone=True),
        UUID: UUID_COLUMN(as_uuid=True),
        BigInt: BigInteger(),
        list[str]: ARRAY(Text()),
        dict[str, Any]: JSONB(),
    }


def table(row: type[Row]) -> Table:
    """Return the table of a row type: to write there costs half of what the ORM's own way does.

    The ORM looks through what the session has loaded for rows that change; here they stay as they were read.
    """
    found = row.__table__
    assert isinstance(found, Table)
    return found
