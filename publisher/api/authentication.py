"""Who is asking, and whether the key may do this."""

from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from publisher.access import ApiKey, Scope
from publisher.api.context import ApiContext
from publisher.api.problems import Problem, Refused

_LONGEST = 200


def needs(context: ApiContext, scope: Scope) -> Any:
    """Return the dependency that lets only keys with this scope in, and gives the `ApiKey`.

    Raises:
        Refused: 401 without a key that is known, 403 when the key lacks the scope.
    """
    bearer = HTTPBearer(
        auto_error=False, scheme_name="API key", description="A key as `publisher key create` prints it."
    )

    async def check(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
    ) -> ApiKey:
        key = await _key_of(request, context)
        if not key.allows(scope):
            raise Refused(
                Problem(
                    status=403,
                    detail=f"the key {key.name!r} lacks the scope {scope}",
                    headers=_challenge("insufficient_scope", scope=scope),
                )
            )
        return key

    return Security(check, scopes=[scope])


async def _key_of(request: Request, context: ApiContext) -> ApiKey:
    scheme, _, plain = request.headers.get("authorization", "").partition(" ")
    plain = plain.strip()
    if scheme.lower() != "bearer" or not plain:
        raise _unknown("expected the header `Authorization: Bearer pub_…`", {"WWW-Authenticate": _REALM})
    remembered = context.keys.remembered(plain)
    if remembered is not None:
        key = remembered[0]
    elif len(plain) > _LONGEST or not plain.startswith("pub_"):
        key = None
    else:
        key = await run_in_threadpool(context.keys.look_up, plain)
    if key is None:
        raise _unknown("the key is unknown or was revoked", _challenge("invalid_token"))
    return key


_REALM = 'Bearer realm="publisher"'


def _challenge(error: str, *, scope: Scope | None = None) -> dict[str, str]:
    """Return the header that RFC 6750, section 3, asks for."""
    wanted = f', scope="{scope}"' if scope else ""
    return {"WWW-Authenticate": f'{_REALM}, error="{error}"{wanted}'}


def _unknown(detail: str, headers: dict[str, str]) -> Refused:
    return Refused(Problem(status=401, detail=detail, headers=headers))
