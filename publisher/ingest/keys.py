"""Look articles up by their identities, one submission of an identity at a time."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import ARRAY, BigInteger, and_, bindparam, select, text, tuple_
from sqlalchemy.orm import Session

from publisher.article import ArticleStatus
from publisher.ingest.decision import Known
from publisher.ingest.identity import KeyKind, keys_of
from publisher.ingest.submission import Submission
from publisher.schema import ArticleKeyRow, ArticleRow, RevisionRow

_LOCK = text("SELECT count(pg_advisory_xact_lock(lock)) FROM unnest(:locks) AS lock").bindparams(
    bindparam("locks", type_=ARRAY(BigInteger))
)


@dataclass(frozen=True)
class Key:
    """An identity of an article."""

    kind: KeyKind
    value: str

    @cached_property
    def digest(self) -> bytes:
        """What the identity is looked up by."""
        return hashlib.sha256(self.value.encode()).digest()

    @property
    def lock(self) -> int:
        """The advisory lock of this identity; others may share it, which costs a wait and nothing else."""
        return int.from_bytes(self.digest[:8], "big", signed=True)


def lookup_keys(submission: Submission) -> tuple[Key, ...]:
    """Return the identities of a submission; at least one."""
    return tuple(Key(kind, value) for kind, value in keys_of(submission))


def lock_identities(session: Session, keys: Collection[Key]) -> None:
    """Make submissions of these identities take turns, until the transaction ends."""
    session.execute(_LOCK, {"locks": sorted({key.lock for key in keys})})


def known_by(session: Session, keys: Sequence[Key]) -> dict[Key, Known]:
    """Return the article of each identity that has one, locked."""
    rows = session.execute(
        select(ArticleKeyRow.kind, ArticleKeyRow.value, ArticleKeyRow.article_id).where(
            tuple_(ArticleKeyRow.kind, ArticleKeyRow.digest).in_([(key.kind, key.digest) for key in keys])
        )
    ).all()
    if not rows:
        return {}
    articles = _articles(session, {row.article_id for row in rows})
    return {Key(KeyKind(row.kind), row.value): articles[row.article_id] for row in rows}


def _articles(session: Session, ids: Collection[object]) -> dict[object, Known]:
    rows = session.execute(
        select(ArticleRow, RevisionRow.digest, RevisionRow.visible_from)
        .join(
            RevisionRow,
            and_(RevisionRow.article_id == ArticleRow.id, RevisionRow.sequence == ArticleRow.revision),
        )
        .where(ArticleRow.id.in_(ids))
        .order_by(ArticleRow.id)
        .with_for_update(of=ArticleRow)
    ).all()
    return {
        article.id: Known(
            id=article.id,
            uri=article.uri,
            sequence=article.sequence,
            retracted=article.status == ArticleStatus.RETRACTED,
            digest=digest,
            visible_from=visible_from,
        )
        for article, digest, visible_from in rows
    }
