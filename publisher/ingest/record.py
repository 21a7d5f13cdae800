"""Store submissions: one article an identity, one revision a changed content, one event each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from publisher.errors import ArticleRetracted, IdentityConflict, PublisherError
from publisher.ids import article_uri, new_id
from publisher.ingest.decision import Decision, Known, Outcome, decide
from publisher.ingest.keys import Key, known_by, lock_identities, lookup_keys
from publisher.ingest.store import Accepted, store
from publisher.ingest.submission import Submission


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What was stored under which id."""

    outcome: Outcome
    article_id: UUID
    uri: str
    sequence: int


def record(session: Session, submission: Submission, *, tag_domain: str) -> Recorded:
    """Store one submission.

    Raises:
        ArticleRetracted: when the article was taken down and the submission does not restore it.
        IdentityConflict: when its url and its guid belong to different articles.
    """
    result = record_all(session, [submission], tag_domain=tag_domain)[0]
    if isinstance(result, PublisherError):
        raise result
    return result


def record_all(
    session: Session, submissions: Sequence[Submission], *, tag_domain: str
) -> list[Recorded | PublisherError]:
    """Store several submissions; a result each, in order. One that cannot be stored harms no other."""
    keys = [lookup_keys(submission) for submission in submissions]
    lock_identities(session, [key for several in keys for key in several])
    results: dict[int, Recorded | PublisherError] = {}
    remaining = list(range(len(submissions)))
    while remaining:
        turn, remaining = _first_of_each_identity(remaining, keys)
        known = known_by(session, [key for i in turn for key in keys[i]])
        accepted: list[Accepted] = []
        turn, again = _first_of_each_article(turn, keys, known)
        remaining = sorted([*again, *remaining])
        for i in turn:
            try:
                accepted.append(_accept(submissions[i], keys[i], known, tag_domain))
                results[i] = _recorded(accepted[-1])
            except (ArticleRetracted, IdentityConflict) as error:
                results[i] = error
        store(session, accepted)
    return [results[i] for i in range(len(submissions))]


def _first_of_each_identity(
    remaining: Collection[int], keys: Sequence[Sequence[Key]]
) -> tuple[list[int], list[int]]:
    # The same article twice in one batch: the second has to see what the first has stored.
    seen: set[Key] = set()
    turn: list[int] = []
    later: list[int] = []
    for i in remaining:
        (later if seen.intersection(keys[i]) else turn).append(i)
        seen.update(keys[i])
    return turn, later


def _first_of_each_article(
    turn: Collection[int], keys: Sequence[Sequence[Key]], known: Mapping[Key, Known]
) -> tuple[list[int], list[int]]:
    # Two identities may be one article, too: one line names its guid, the next one its url.
    seen: set[UUID] = set()
    first: list[int] = []
    again: list[int] = []
    for i in turn:
        articles = {known[key].id for key in keys[i] if key in known}
        (again if seen.intersection(articles) else first).append(i)
        seen.update(articles)
    return first, again


def _accept(
    submission: Submission, keys: Sequence[Key], known: Mapping[Key, Known], tag_domain: str
) -> Accepted:
    found = {known[key].id: known[key] for key in keys if key in known}
    if len(found) > 1:
        ids = ", ".join(str(identifier) for identifier in sorted(found))
        raise IdentityConflict(f"url and guid: belong to different articles ({ids}), expected one")
    one = next(iter(found.values()), None)
    decision = decide(submission, one)
    identifier = one.id if one else new_id()
    return Accepted(
        article_id=identifier,
        uri=one.uri if one else article_uri(identifier, tag_domain),
        decision=decision,
        new_keys=tuple(key for key in keys if key not in known),
    )


def _recorded(accepted: Accepted) -> Recorded:
    decision: Decision = accepted.decision
    return Recorded(
        outcome=decision.outcome,
        article_id=accepted.article_id,
        uri=accepted.uri,
        sequence=decision.sequence,
    )
