"""The one tree of errors; a driver's own errors are translated into it at the edge.

CdpError
├── ConfigurationError      a setting is missing or wrong; says which and how to mend it
├── ServiceFailed           an embedded server did not start or died
├── StoreUnavailable        transient: the database or cache cannot answer now; try again
│   ├── KeysDestroyed       somebody was erased meanwhile: what was sealed is sealed again
│   └── KafkaUnavailable    likewise, of Kafka
│       └── KafkaRefused    Kafka answers, and does not let us in
├── Unreadable              sealed under a key that is gone or does not fit
├── Damaged                 a backup's file is not what was written
└── ProblemError            what an API caller did wrong; becomes application/problem+json
    ├── Invalid  400        ├── NotFound      404      ├── TooLarge  413
    ├── Unauthorized  401   ├── NotAllowed    405      ├── TooMany   429 (with Retry-After)
    └── Forbidden  403      ├── Conflict      409      └── Overloaded 503 (likewise)
                            └── Gone          410
"""

from __future__ import annotations

from typing import ClassVar


class CdpError(Exception):
    """Base of every error the platform raises on purpose."""


class ConfigurationError(CdpError):
    """A setting is missing or wrong."""


class ServiceFailed(CdpError):
    """An embedded server did not start, or died."""


class StoreUnavailable(CdpError):
    """The database or the cache cannot answer right now."""


class KeysDestroyed(StoreUnavailable):
    """Somebody was erased while this was on its way: it is to be sealed again."""


class KafkaUnavailable(StoreUnavailable):
    """Kafka cannot answer right now."""


class KafkaRefused(KafkaUnavailable):
    """Kafka does not let us in: passes while it starts, else somebody has to mend a setting."""


class Unreadable(CdpError):
    """Sealed under a key that is gone, or altered since."""


class Damaged(CdpError):
    """A file of a backup is not what was written; says which, and where."""


class ProblemError(CdpError):
    """What an API caller did wrong: names the field and the fix (RFC 9457)."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, *, field: str | None = None, errors: object = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.errors = errors


class Invalid(ProblemError):
    """The request cannot be understood as it stands."""

    status, title = 400, "Invalid request"


class Unauthorized(ProblemError):
    """No key, or one we do not know."""

    status, title = 401, "Unauthorized"


class Forbidden(ProblemError):
    """The key is known but lacks the scope."""

    status, title = 403, "Forbidden"


class NotFound(ProblemError):
    """There is nothing under that name."""

    status, title = 404, "Not found"


class Conflict(ProblemError):
    """The request contradicts what is stored."""

    status, title = 409, "Conflict"


class Gone(ProblemError):
    """What a link led to has ended, or was taken back."""

    status, title = 410, "Gone"


class TooLarge(ProblemError):
    """The body is over the limit."""

    status, title = 413, "Too large"


class TooMany(ProblemError):
    """Over the rate; ask again after `retry_after` seconds. `policy` says which, as RFC fields."""

    status, title = 429, "Too many requests"

    def __init__(self, detail: str, *, retry_after: int = 1, policy: str = "") -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.policy = policy


class Overloaded(ProblemError):
    """The platform cannot take this now; ask again after `retry_after` seconds."""

    status, title = 503, "Unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
