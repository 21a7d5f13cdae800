"""What is stored encrypted gets from old keys to the newest one, slice by slice, while everybody works."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, func, select, tuple_, update
from sqlalchemy.orm import Session

from publisher.database import Sessions
from publisher.encrypted import EVERYTHING, Encrypted
from publisher.notify.secrets.box import KeyAge, SecretBox

MOST_PASSES = 20
"""So often everything is gone through, as long as others hold, or still write, what takes an old key."""

_MOST_NAMED = 5
Place = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Which keys open what is stored.

    Attributes:
        current: the newest one.
        old: an old one.
        unknown: none.
        reencrypted: of the current, what took an old one before.
        named: of whom some are that no key opens.
    """

    current: int = 0
    old: int = 0
    unknown: int = 0
    reencrypted: int = 0
    named: tuple[UUID, ...] = ()

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.current + self.old + self.unknown

    def __add__(self, other: "Tally") -> "Tally":
        """Return the tally of both."""
        return Tally(
            current=self.current + other.current,
            old=self.old + other.old,
            unknown=self.unknown + other.unknown,
            reencrypted=self.reencrypted + other.reencrypted,
            named=tuple(dict.fromkeys((*self.named, *other.named)))[:_MOST_NAMED],
        )


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What was found in some rows; `last` is where to go on, None after the last slice."""

    found: Tally
    last: Place | None


def look(session: Session, box: SecretBox, of: Encrypted, after: Place | None = None) -> Slice:
    """Return which keys open the next rows; changes nothing."""
    rows, last = _next(session, of, after)
    return Slice(found=_tally(rows, box, of), last=last)


def look_through(session: Session, box: SecretBox, some: Sequence[Encrypted]) -> Mapping[str, Tally]:
    """Return which keys open everything of some columns, by name."""
    found = {}
    for of in some:
        done = look(session, box, of)
        tally = done.found
        while done.last is not None:
            done = look(session, box, of, done.last)
            tally += done.found
        found[of.name] = tally
    return found


def reencrypt(session: Session, box: SecretBox, of: Encrypted, after: Place | None = None) -> Slice:
    """Encrypt the next rows with the newest key, if they take an old one; the caller commits at once.

    Rows that somebody holds at this moment are left as they are: nobody waits, in either direction, for
    longer than a slice takes.
    """
    rows, last = _next(session, of, after)
    found = _tally(rows, box, of)
    changed = _encrypt_anew(session, box, of, rows) if found.old else 0
    moved = Tally(current=changed, old=-changed, reencrypted=changed)
    return Slice(found=found + moved, last=last)


def reencrypt_all(
    sessions: Sessions, box: SecretBox, *, wait: Callable[[], None], tell: Callable[[int], None]
) -> Mapping[str, Tally]:
    """Encrypt everything with the newest key; return what a last look found, by name.

    Killed half-way, it goes on where it was: what is done is not done again. Goes through everything again
    until nothing is left to do, since others may have held some of it.

    Args:
        wait: lets others work before everything is gone through again.
        tell: is told of how many more rows were looked at.
    """
    changed: Counter[str] = Counter()
    for again in reversed(range(MOST_PASSES)):
        found = {of.name: _pass(sessions, box, of, tell) for of in EVERYTHING}
        changed.update({name: one.reencrypted for name, one in found.items()})
        if not any(one.reencrypted or one.old for one in found.values()):
            break
        if again:
            wait()
    return {name: replace(one, reencrypted=changed[name]) for name, one in found.items()}


def count_all(session: Session) -> int:
    """Return how many rows there are to be looked at."""
    counting = (select(func.count()).select_from(of.rows().subquery()) for of in EVERYTHING)
    return sum(session.scalar(one) or 0 for one in counting)


def _pass(sessions: Sessions, box: SecretBox, of: Encrypted, tell: Callable[[int], None]) -> Tally:
    tally, after = Tally(), None
    while True:
        with sessions.begin() as session:
            done = reencrypt(session, box, of, after)
        tell(done.found.rows)
        tally += done.found
        if done.last is None:
            return tally
        after = done.last


def _next(session: Session, of: Encrypted, after: Place | None) -> tuple[Sequence[Row[Any]], Place | None]:
    rows = of.rows().limit(of.together)
    if after is not None:
        rows = rows.where(tuple_(*of.key) > tuple_(*after))
    found = session.execute(rows).all()
    return found, _key(of, found[-1]) if len(found) == of.together else None


def _encrypt_anew(session: Session, box: SecretBox, of: Encrypted, rows: Sequence[Row[Any]]) -> int:
    """Encrypt what takes an old key in those of the rows that nobody holds; return how many these are."""
    chosen = of.rows().where(tuple_(*of.key).in_([_key(of, row) for row in _old(rows, box, of)]))
    # As weak as an UPDATE's own lock: who subscribes to a topic does not wait for it.
    locked = session.execute(chosen.with_for_update(key_share=True, skip_locked=True)).all()
    # Somebody else may have been there since.
    old = _old(locked, box, of)
    if old:
        same = [column == bindparam(f"_{column.key}") for column in of.key]
        statement = update(of.column.class_.__table__).where(*same).values({of.column.key: bindparam("anew")})
        names = [f"_{column.key}" for column in of.key]
        anew = [{**dict(zip(names, _key(of, row), strict=True)), "anew": _anew(box, of, row)} for row in old]
        session.connection().execute(statement, anew)
    return len(old)


def _old(rows: Sequence[Row[Any]], box: SecretBox, of: Encrypted) -> list[Row[Any]]:
    return [row for row in rows if box.age(row.stored, owner=of.owner(row)) is KeyAge.OLD]


def _anew(box: SecretBox, of: Encrypted, row: Row[Any]) -> bytes:
    owner = of.owner(row)
    return box.encrypt(box.decrypt(row.stored, owner=owner), owner=owner)


def _tally(rows: Sequence[Row[Any]], box: SecretBox, of: Encrypted) -> Tally:
    ages = [box.age(row.stored, owner=of.owner(row)) for row in rows]
    unknown = [row.owner_id for row, age in zip(rows, ages, strict=True) if age is KeyAge.UNKNOWN]
    return Tally(
        current=ages.count(KeyAge.CURRENT),
        old=ages.count(KeyAge.OLD),
        unknown=len(unknown),
        named=tuple(dict.fromkeys(unknown))[:_MOST_NAMED],
    )


def _key(of: Encrypted, row: Row[Any]) -> Place:
    return tuple(row[: len(of.key)])
