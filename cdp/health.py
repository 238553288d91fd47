"""`cdp health`: asks a process how it is, every few seconds; so it imports next to nothing."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

from cdp.errors import ConfigurationError
from cdp.settings import Settings

_SECONDS = 3.0
_READY = "/health/ready"


def ask(url: str = "") -> tuple[bool, str]:
    """Whether it is well, and what it said; without a URL the API of these settings is asked."""
    url = url or Settings.from_env().base_url + _READY
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{url!r} must begin with http:// or https://")
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=_SECONDS) as answer:
            return True, _short(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return False, f"{url} answers {error.code}: {_short(error.read())}"
    except urllib.error.URLError as error:
        return False, f"{url} does not answer: {error.reason}"
    except (http.client.HTTPException, OSError) as error:
        return False, f"{url} does not answer: {type(error).__name__}"


def _short(said: bytes) -> str:
    return said[:200].decode(errors="replace")
