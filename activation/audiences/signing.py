"""Signs requests to S3-compatible stores: AWS Signature Version 4, headers only.

Source: docs.aws.amazon.com, IAM user guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


class Put(NamedTuple):
    """What is written where; `path` as `path_of` gives it."""

    host: str  # with its port, where that is not the usual one
    path: str
    content: bytes


class Access(NamedTuple):
    """Who signs, for which region."""

    key_id: str
    secret: str
    region: str


def path_of(*names: str) -> str:
    """A path of a bucket and a key, as it is sent and signed: S3 encodes each part once."""
    return "/" + "/".join(quote(part, safe="-_.~") for name in names for part in name.split("/"))


def signed(access: Access, told: Put, moment: str) -> dict[str, str]:
    """Headers to send; `moment` is like 20260115T093000Z."""
    digest = hashlib.sha256(told.content).hexdigest()
    headers = {"host": told.host, "x-amz-content-sha256": digest, "x-amz-date": moment}
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = "\n".join(["PUT", told.path, "", lines, names, digest])
    scope = f"{moment[:8]}/{access.region}/s3/aws4_request"
    to_sign = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{access.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    signature = hmac.digest(key, to_sign.encode(), hashlib.sha256).hex()
    said = f"Credential={access.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return headers | {"authorization": f"{_ALGORITHM} {said}"}
