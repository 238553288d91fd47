"""The page at /docs: Swagger UI from this server's own files, and nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import re

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

PATH = "/docs"
_FILES = "/static-offline-docs"  # where FastAPIOffline has put them
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def install(app: FastAPI) -> None:
    """Add the page."""

    async def page(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "")
        html = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=app.title,
            swagger_js_url=f"{root}{_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_FILES}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_FILES}/favicon.png",
        )
        text = bytes(html.body).decode()
        return HTMLResponse(text, headers={"Content-Security-Policy": _policy(text)})

    app.add_api_route(PATH, page, include_in_schema=False)


def _policy(html: str) -> str:
    """Scripts: this server's, and the one in the page, by its hash."""
    scripts = " ".join(f"'sha256-{_digest(each)}'" for each in _INLINE.findall(html))
    return (
        f"default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
