"""How readers are answered with what is made anew each time: pages for people, and files for programs."""

from collections.abc import Callable, Mapping
from contextlib import ContextDecorator
from threading import BoundedSemaphore

from fastapi import Request, Response
from sqlalchemy.exc import SQLAlchemyError

from feeds.catalog import PRIVATE
from feeds.pages import Pages
from feeds.serving.answer import Asked
from feeds.serving.conditional import Coding, entity_tag, is_current, prefers_html
from feeds.serving.document import digest_of, pack
from feeds.serving.headers import ASKED_BEFORE, CACHING, FOR_EVERYBODY
from publisher.api.problems import Problem, Refused, problem_of, unavailable
from publisher.errors import PublisherError

_HTML = "text/html; charset=utf-8"


class FewAtOnce(ContextDecorator):
    """Lets so many do something at once, and asks whoever comes on top to come back.

    Not for as long as an answer is sent: who reads slowly keeps nobody out.
    """

    def __init__(self, most: int, *, what: str) -> None:
        self._inside = BoundedSemaphore(most)
        self._what = what

    def __enter__(self) -> None:
        if not self._inside.acquire(blocking=False):
            raise Refused(unavailable(f"too many {self._what} at once; come back later", status=429))

    def __exit__(self, *_: object) -> None:
        self._inside.release()


def page_answer(
    request: Request, pages: Pages, make: Callable[[], str], *, policy: str | None = None
) -> Response:
    """Return a page, a 304 to who has it, or why there is none: as a page, too, for who prefers that.

    Args:
        policy: its `Content-Security-Policy`; None: as for all pages.
    """
    try:
        body = make().encode("utf-8", "replace")
    except (PublisherError, SQLAlchemyError) as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return _problem_page(request, pages, problem)
    headers = {"Content-Security-Policy": policy or pages.policy, "Vary": "Accept, Accept-Encoding"}
    return file_answer(request, body, content_type=_HTML, headers=headers)


def file_answer(
    request: Request, body: bytes, *, content_type: str, headers: Mapping[str, str] = FOR_EVERYBODY
) -> Response:
    """Return these bytes, packed as the reader likes it, or a 304 to who has them."""
    asked = Asked.of(request.headers.raw)
    # Who refuses every coding gets plain bytes all the same (RFC 9110, section 12.5.3).
    coding = asked.coding or Coding.IDENTITY
    tag = entity_tag(digest_of(body), coding)
    kept = _public({"Vary": "Accept-Encoding", **headers, "ETag": tag})
    if is_current(tag, asked.tags):
        return Response(status_code=304, headers=kept)
    if coding is not Coding.IDENTITY:
        kept["Content-Encoding"] = coding
    # Not as `media_type`, to which the framework would add a charset of its own.
    return Response(pack(body, coding), headers={**kept, "Content-Type": content_type})


def preflight_answer(request: Request) -> Response:
    """Return what browsers ask before a script of another page may send conditions of its own."""
    allowed = {} if request.url.path.startswith(PRIVATE) else ASKED_BEFORE
    return Response(status_code=204, headers=allowed)


def _problem_page(request: Request, pages: Pages, problem: Problem) -> Response:
    accept = ", ".join(request.headers.getlist("accept"))
    if prefers_html(accept):
        headers = {**problem.headers, "Content-Security-Policy": pages.policy, "Vary": "Accept"}
        body = pages.problem(problem.status).encode()
        return Response(body, problem.status, headers=_public(headers), media_type=_HTML)
    answer = problem.response()
    answer.headers.update({"Vary": "Accept", "Cache-Control": CACHING})
    return answer


def _public(headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, "Cache-Control": CACHING, "X-Content-Type-Options": "nosniff"}
