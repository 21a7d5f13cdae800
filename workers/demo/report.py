"""Whether everything arrived, and what did not."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workers.demo.board import Journey, Stage
from workers.demo.subscriber import Webhook
from workers.demo.watch import Watch


@dataclass(frozen=True, kw_only=True)
class Report:
    """The numbers of a demo.

    Attributes:
        feeds: documents that the articles belong to: of all and of their categories, in every format.
        webhooks: messages about these articles that came in.
        verified: those of them whose signature was right.
        missing: what did not arrive, a sentence each.
    """

    articles: int
    feeds: int
    webhooks: int
    verified: int
    missing: Sequence[str]

    @property
    def complete(self) -> bool:
        """Whether every article is everywhere where it belongs."""
        return not self.missing

    def as_json(self) -> dict[str, Any]:
        """Return the members that the contract names."""
        return {**asdict(self), "missing": list(self.missing)}


def report(journeys: Sequence[Journey], watch: Watch, received: Sequence[Webhook]) -> Report:
    """Return what has arrived up to now."""
    ids = {journey.article_id for journey in journeys if journey.article_id}
    webhooks = [one for one in received if one.article_id in ids]
    unverified = [
        f"{one.title}: {one.type} came without a right signature" for one in webhooks if not one.verified
    ]
    return Report(
        articles=len(journeys),
        feeds=len(watch.documents()),
        webhooks=len(webhooks),
        verified=sum(one.verified for one in webhooks),
        missing=[*_missing(journeys, watch), *unverified],
    )


def _missing(journeys: Sequence[Journey], watch: Watch) -> Iterator[str]:
    for number, journey in enumerate(journeys):
        if not journey.missing:
            continue
        first = journey.missing[0]
        if first is Stage.RECEIVED:
            yield f"{journey.title}: {journey.note or 'was not received'}"
        elif first is Stage.IN_FEEDS:
            yield f"{journey.title}: is not in {', '.join(watch.absent_from(number))}"
        elif first in (Stage.ENRICHED, Stage.PUBLISHED):
            yield f"{journey.title}: was not {first}"
        if Stage.DELIVERED in journey.missing and first is not Stage.RECEIVED:
            yield f"{journey.title}: no webhook came"
