"""How the sql kind speaks to a PostgreSQL with TLS: encrypted, or to nobody but whom it knows."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import Api
from tests.integration.test_deliveries import ledger
from tests.integration.test_destination_kinds import Warehouse, connect, warehouse
from tests.support.certificates import certificates
from tests.support.fronted import Front, fronted

__all__ = ["warehouse"]


class Secured(NamedTuple):
    """A server whose certificate is for 127.0.0.1, and the file of the authority behind it."""

    front: Front
    authority: Path


@pytest.fixture
async def secured(warehouse: Warehouse, tmp_path: Path) -> AsyncIterator[Secured]:
    made = certificates()
    chain, authority = tmp_path / "chain.pem", tmp_path / "authority.pem"
    chain.write_bytes(made.server)
    authority.write_bytes(made.authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    behind = warehouse.settings()
    async with fronted(behind["host"], behind["port"], context) as front:
        yield Secured(front, authority)


async def told(api: Api, warehouse: Warehouse, port: int, **settings: str) -> tuple[str, str]:
    """State and reason of Ada's entry."""
    await connect(api, **warehouse.settings() | {"port": port} | settings)
    (entry,) = await ledger(api)
    return entry["state"], entry["reason"]


@pytest.mark.parametrize(("tls", "encrypted"), [("require", True), ("disable", False)])
async def test_encrypted_or_not(
    api: Api, warehouse: Warehouse, secured: Secured, tls: str, encrypted: bool
) -> None:
    assert await told(api, warehouse, secured.front.port, tls=tls) == ("sent", "")
    assert secured.front.sessions == [encrypted]
    assert len(await warehouse.rows()) == 1


@pytest.mark.parametrize("tls", ["require", "verify-full"])
async def test_a_server_without_tls_gets_nothing(api: Api, warehouse: Warehouse, tls: str) -> None:
    port = warehouse.settings()["port"]
    assert await told(api, warehouse, port, tls=tls) == ("retrying", "OperationalError")


async def test_a_certificate_that_is_known_and_for_the_host(
    api: Api, warehouse: Warehouse, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    assert await told(api, warehouse, secured.front.port, tls="verify-full") == ("sent", "")
    assert secured.front.sessions == [True]


async def test_a_certificate_for_another_host(
    api: Api, warehouse: Warehouse, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.authority))
    found = await told(api, warehouse, secured.front.port, tls="verify-full", host="localhost")
    assert found == ("retrying", "OperationalError")
    assert secured.front.sessions == []


async def test_a_certificate_of_an_authority_that_is_not_known(
    api: Api,
    warehouse: Warehouse,
    secured: Secured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(certificates().authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    found = await told(api, warehouse, secured.front.port, tls="verify-full")
    assert found == ("retrying", "OperationalError")
    assert secured.front.sessions == []
