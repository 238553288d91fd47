"""Bodies within the limit: gzip by header or by its magic bytes, and no zip bombs."""

from __future__ import annotations

import zlib

from cdp.errors import Invalid, TooLarge

MAX_BODY = 4000 * 1024  # bytes, decompressed: RudderStack's batch limit, the largest of all
_GZIP = b"\x1f\x8b"
_GZIP_WBITS = 31
_MAX_MEMBERS = 100  # gzip allows several in a row; each costs a copy of what follows it


def inflate(body: bytes) -> bytes:
    """The plain body; stops at the limit, whatever the compressed size promises."""
    if not body.startswith(_GZIP):
        return body
    plain = b""
    for _ in range(_MAX_MEMBERS):
        stream = zlib.decompressobj(wbits=_GZIP_WBITS)
        try:
            plain += stream.decompress(body, MAX_BODY + 1 - len(plain))
        except zlib.error:
            raise Invalid("the gzip body is damaged") from None
        if len(plain) > MAX_BODY:
            raise too_large()
        if not stream.eof:
            raise Invalid("the gzip body is cut off")
        body = stream.unused_data
        if not body.startswith(_GZIP):
            return plain
    raise Invalid(f"the gzip body has over {_MAX_MEMBERS} members")


def too_large() -> TooLarge:
    """The one answer to a body over the limit."""
    return TooLarge(f"the body is over {MAX_BODY} bytes; send smaller batches")
