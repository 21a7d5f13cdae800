"""`/docs` and `/openapi.json`: the API described by itself, with no other host involved."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from publisher.api.problems import MEDIA_TYPE

_ASSETS = "/docs/assets"
# Enforces what we promise: the page asks nobody but us. Swagger UI styles itself, and is started, inline.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; frame-ancestors 'none'"
)
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457).",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What, which one, what was expected."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "A field of the body (RFC 6901)."},
                    "parameter": {"type": "string", "description": "A query parameter."},
                    "header": {"type": "string", "description": "A header of the request."},
                    "detail": {"type": "string"},
                },
            },
        },
        "article": {"type": "string", "format": "uuid", "description": "The article that is in the way."},
    },
}
_ANY_ERROR = {
    "description": "Any error.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


@dataclass(frozen=True, kw_only=True)
class Alternate:
    """The same site in another form, for programs that look at a page (HTML, “alternate”)."""

    title: str
    media_type: str
    url: str

    def __str__(self) -> str:
        """Return the element for the head of a page."""
        title, kind, url = map(escape, (self.title, self.media_type, self.url))
        return f'<link rel="alternate" type="{kind}" title="{title}" href="{url}">'


def install_docs(app: FastAPI, alternates: Sequence[Alternate] = ()) -> None:
    """Serve the description and the page; the application must have been made without FastAPI's own.

    Args:
        alternates: what the page names in its head.
    """
    # Only the files of this package are used: its factory of applications would add pages of its own.
    folder = files("fastapi_offline") / "static"
    app.mount(_ASSETS, StaticFiles(directory=str(folder)), name="docs-assets")
    app.include_router(_pages(app, "".join(map(str, alternates))))


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _finish(operation, schemas, is_api=path.startswith("/v1/"))
    return document


def _pages(app: FastAPI, links: str) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    @router.get("/docs", response_class=HTMLResponse)
    def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url="data:,",
            swagger_ui_parameters={"validatorUrl": None, "persistAuthorization": False},
        )
        whole = bytes(page.body).decode().replace("</head>", f"{links}</head>", 1)
        return HTMLResponse(whole, headers={"Content-Security-Policy": _POLICY})

    return router


def _finish(operation: dict[str, Any], schemas: dict[str, Any], *, is_api: bool) -> None:
    operation["responses"].pop("422", None)
    if is_api:
        operation["responses"]["default"] = _ANY_ERROR
    # Models of bodies come with what they refer to; that belongs among the other components.
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schemas.update(content["schema"].pop("$defs", {}))
