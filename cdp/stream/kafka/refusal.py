"""Why no connection to a cluster comes about: its client only says that there is none."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka import conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from cdp.cluster import Cluster
from cdp.errors import KafkaRefused, KafkaUnavailable

_SECONDS = 5
_LOGIN = (
    AuthenticationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)


async def reason_of(cluster: Cluster, options: Mapping[str, Any]) -> KafkaUnavailable:
    """Asks each server itself; `options` are those of every client of ours."""
    ours = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    causes = []
    for server in cluster.servers:
        host, _, port = server.rpartition(":")
        try:
            connected = await conn.create_conn(
                host.strip("[]"), int(port), request_timeout_ms=_SECONDS * 1000, **ours
            )
            connected.close()
        except (KafkaError, OSError) as error:
            refused = _refused(cluster, server, error)
            if refused:
                return refused
            causes.append(f"{server} ({_cause(error)})")
    return KafkaUnavailable(f"Kafka: no answer from {', '.join(causes) or cluster.servers}")


def _refused(cluster: Cluster, server: str, error: Exception) -> KafkaRefused | None:
    cause = _cause(error)
    if isinstance(error, _LOGIN):
        who = f"{cluster.user!r} by {cluster.mechanism}"
        return KafkaRefused(f"CDP_KAFKA_URL: {server} does not let {who} in: {cause}")
    if isinstance(error, ssl.SSLCertVerificationError):
        return KafkaRefused(
            f"CDP_KAFKA_URL: the certificate of {server} is not trusted: {error.verify_message}; "
            "is `ca` the file of its authority?"
        )
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return KafkaRefused(
            f"CDP_KAFKA_URL: {server} and we do not agree on TLS: {cause}; "
            "does it want a certificate of ours (`cert` and `key`)?"
        )
    return None


def _cause(error: Exception) -> str:
    """In a few words, without what the client writes around them."""
    inner = error.__cause__ if isinstance(error, KafkaConnectionError) else None
    told = inner or error
    if isinstance(told, ssl.SSLError) and told.reason:
        return told.reason
    return str(told.args[0]) if isinstance(told, _LOGIN) and told.args else type(told).__name__
