"""What a submission does to the record: decided from what is stored, without touching it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from publisher.errors import ArticleRetracted
from publisher.ingest.identity import content_digest
from publisher.ingest.submission import Submission


class Outcome(StrEnum):
    """What became of a submission."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    REVISED = "revised"
    RESTORED = "restored"


@dataclass(frozen=True, kw_only=True)
class Known:
    """The article that bears the submission's identity, as it is stored.

    Attributes:
        digest, visible_from: of its newest revision.
    """

    id: UUID
    uri: str
    sequence: int
    retracted: bool
    digest: bytes
    visible_from: datetime | None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be stored.

    Attributes:
        submission: with an embargo that it leaves out taken over from the revision before.
        sequence: of the article afterwards.
    """

    outcome: Outcome
    submission: Submission
    digest: bytes
    sequence: int


def decide(submission: Submission, known: Known | None) -> Decision:
    """Return what the submission does.

    A submission that says nothing about an embargo leaves the stored one as it is, so that a corrected
    typo never publishes early.

    Raises:
        ArticleRetracted: when the article was taken down and the submission does not restore it.
    """
    if known is None:
        return Decision(
            outcome=Outcome.CREATED, submission=submission, digest=content_digest(submission), sequence=1
        )
    if known.retracted and not submission.restore:
        raise ArticleRetracted(
            f"article {known.id}: is retracted; send it with `restore: true` to bring it back",
            article_id=known.id,
        )
    if submission.visible_from is None:
        submission = replace(submission, visible_from=known.visible_from)
    digest = content_digest(submission)
    if known.retracted:
        outcome = Outcome.RESTORED
    elif digest == known.digest:
        outcome = Outcome.UNCHANGED
    else:
        outcome = Outcome.REVISED
    sequence = known.sequence if outcome is Outcome.UNCHANGED else known.sequence + 1
    return Decision(outcome=outcome, submission=submission, digest=digest, sequence=sequence)
