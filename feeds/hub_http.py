"""The hub: where subscribers say over HTTP which feeds they want to be sent, and where to.

Source: WebSub, section 5.1, “Subscriber Sends Subscription Request”.
"""

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from feeds.answers import FewAtOnce
from feeds.catalog import FeedAddress, PrivateAddress
from feeds.standing import find_standing
from feeds.style import HUB_PATH, FeedStyle
from publisher.api.context import ApiContext
from publisher.api.json_body import read_body
from publisher.api.problems import Refused
from publisher.errors import InvalidInput, NotFound
from publisher.notify.endpoints.destination import check_url
from publisher.notify.websub.form import BadForm, Fields, SubscriptionRequest, parse_form
from publisher.notify.websub.subscriptions import TooMany, ask
from publisher.notify.websub.topics import TopicName, topic_of

_FORM = "application/x-www-form-urlencoded"
_LONGEST_FORM = 16_384
_MOST_FIELDS = 100
_MOST_TOPICS = 20
# Of those that readers and publishers are answered in, too.
_THREADS = 8
_BUSY_S = 60
_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"description": "Understood. A subscription holds once its callback has confirmed it."},
    422: {
        "description": "A field is missing, or says what it cannot: `text/plain` tells which.",
        "content": {},
    },
    429: {
        "description": "The callback's host has too many subscriptions, or questions waiting; `Retry-After`."
    },
}
_REQUEST = {
    "requestBody": {
        "required": True,
        "content": {
            _FORM: {
                "schema": {
                    "type": "object",
                    "required": ["hub.mode"],
                    "properties": {
                        "hub.mode": {"enum": ["subscribe", "unsubscribe", "publish"]},
                        "hub.topic": {"type": "string", "format": "uri"},
                        "hub.callback": {"type": "string", "format": "uri"},
                        "hub.lease_seconds": {"type": "integer", "minimum": 1},
                        "hub.secret": {"type": "string", "description": "Fewer than 200 bytes."},
                    },
                }
            }
        },
    }
}


class _No(Exception):
    """The hub does not take a request."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)

    def answer(self) -> Response:
        headers = {"Retry-After": str(_BUSY_S)} if self.status == 429 else {}
        return Response(f"{self}\n", self.status, headers=headers, media_type="text/plain")


def hub_router(context: ApiContext) -> APIRouter:
    """Return the route of the hub; nobody needs a key."""
    router = APIRouter(tags=["Feeds"])
    hub, few = _Hub(context), FewAtOnce(_THREADS, what="hub requests")

    @router.post(
        HUB_PATH, status_code=202, response_class=Response, responses=_RESPONSES, openapi_extra=_REQUEST
    )
    def hear(request: Request, body: Annotated[bytes, Depends(_body)]) -> Response:
        try:
            with few:
                hub.hear(_fields(request, body))
        except _No as no:
            return no.answer()
        except Refused as busy:
            return _No(429, busy.problem.detail).answer()
        return Response(status_code=202)

    return router


async def _body(request: Request) -> bytes:
    return await read_body(request)


def _fields(request: Request, body: bytes) -> Fields:
    """Return what a form says, in its order."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _FORM:
        raise _No(415, f"content-type: expected {_FORM}")
    if len(body) > _LONGEST_FORM:
        raise _No(413, f"the form has {len(body)} bytes; expected at most {_LONGEST_FORM}")
    try:
        return parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise _No(400, "the body is no form: expected UTF-8, and at most 100 fields") from error


class _Hub:
    """What the hub does with a form."""

    def __init__(self, context: ApiContext) -> None:
        self._sessions = context.sessions
        self._box = context.box
        self._style = FeedStyle.of(context.settings)
        self._allowed = context.settings.allowed_networks
        self._allow_http = context.settings.allow_http

    def hear(self, fields: Fields) -> None:
        try:
            said = parse_form(fields)
        except BadForm as error:
            raise _No(422, str(error)) from error
        if isinstance(said, SubscriptionRequest):
            self._ask(said)
        else:
            self._know(said.topics)

    def _ask(self, request: SubscriptionRequest) -> None:
        with self._sessions.begin() as session:
            name = self._named(session, request.topic)
            self._check(request.callback, may_be_plain=name.token is None or self._allow_http)
            try:
                ask(session, request, topic_of(session, name, box=self._box), box=self._box)
            except TooMany as error:
                raise _No(429, str(error)) from error
            except NotFound as error:
                raise _No(404, str(error)) from error

    def _know(self, topics: tuple[str, ...]) -> None:
        """See that these are topics; nothing has to be done for them: what changes is pushed by itself."""
        if len(topics) > _MOST_TOPICS:
            raise _No(422, f"hub.topic: is there {len(topics)} times; expected at most {_MOST_TOPICS}")
        with self._sessions.begin() as session:
            for topic in topics:
                self._named(session, topic)

    def _check(self, callback: str, *, may_be_plain: bool) -> None:
        """See that a callback is one that we go to; what only one reader may see never goes in the clear.

        What its name resolves to is looked at when it is asked: nobody learns here what names of ours mean.
        """
        try:
            check_url(callback, allowed=self._allowed, allow_http=may_be_plain)
        except InvalidInput as error:
            raise _No(422, f"hub.callback: {error.problems[0].detail}") from error

    def _named(self, session: Session, url: str) -> TopicName:
        """Return the topic that a URL is of."""
        path = url.removeprefix(self._style.base_url) if url.startswith(self._style.base_url) else ""
        address = FeedAddress.parse(path) or PrivateAddress.parse(path)
        standing = find_standing(session, address) if address and address.is_topic else None
        if address is None or standing is None:
            raise _No(
                404,
                f"hub.topic: {url[:300]!r} is unknown; expected what a feed calls itself (rel=self)",
            )
        return TopicName(
            label_id=standing.label_id,
            format=address.format,
            url=url,
            token=address.token if isinstance(address, PrivateAddress) else None,
        )
