"""Push messages to apps: as Firebase takes them and as Apple does, on loopback."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from activation.push.sealing import padded
from cdp import times
from tests.conftest import Api
from tests.integration.test_webpush import SAID, ledger, write
from tests.support.http2 import receiving2
from tests.support.receiver import Receiver, Request

RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
TOKEN = "a" * 64


def pem(key: Any) -> str:
    kind = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    return str(key.private_bytes(serialization.Encoding.PEM, kind, plain).decode())


@pytest.fixture
async def apple() -> AsyncIterator[Receiver]:
    async with receiving2() as receiver:
        yield receiver


async def agree(api: Api, kind: str) -> None:
    """Ada's app takes messages, and she agreed to them."""
    body = {"writeKey": api.instance.keys["write_key"], "userId": "ada"}
    body |= {"kind": kind, "token": TOKEN}
    assert (await api.client.post("/push/subscriptions", json=body)).is_success
    await api.settle()
    allowed = {"purpose": "marketing_push", "state": "granted"}
    await api.put("/consent/user_id:ada", allowed)
    await api.settle()


async def with_apple(api: Api, apple: Receiver) -> None:
    settings = {"kind": "apns", "topic": "com.example.shop", "url": apple.url}
    settings |= {"team_id": "A1B2C3D4E5", "key_id": "F6G7H8I9J0", "private_key": pem(EC)}
    await api.put("/destinations/browsers", settings)
    await agree(api, "apns")


async def test_apple_gets_it_over_http2_with_a_provider_token(api: Api, apple: Receiver) -> None:
    await with_apple(api, apple)
    await write(api)
    (request,) = apple.requests
    (entry,) = await ledger(api)
    assert (entry["state"], entry["status"]) == ("sent", 200)
    assert request.headers[":path"] == f"/3/device/{TOKEN}"
    assert request.headers["apns-topic"] == "com.example.shop"
    assert request.headers["apns-id"] == request.headers["apns-collapse-id"] == entry["id"]
    alert = {"title": SAID["title"], "body": SAID["body"]}
    beside = {"product": "shoes-7", "url": SAID["url"]}
    assert request.json == {"aps": {"alert": alert, "sound": "default"}, **beside}
    head, claims, signature = request.headers["authorization"].removeprefix("bearer ").split(".")
    assert json.loads(padded(head)) == {"typ": "JWT", "alg": "ES256", "kid": "F6G7H8I9J0"}
    assert json.loads(padded(claims))["iss"] == "A1B2C3D4E5"
    raw = padded(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    EC.public_key().verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    await write(api, 2)
    assert apple.requests[1].headers["authorization"] == request.headers["authorization"]


@pytest.mark.parametrize(
    ("status", "state", "left"),
    [(410, "parked", 0), (400, "parked", 1), (429, "retrying", 1), (503, "retrying", 1)],
)
async def test_what_apple_refuses(
    api: Api, apple: Receiver, status: int, state: str, left: int
) -> None:
    await with_apple(api, apple)
    apple.answer = lambda request: (status, {})
    await write(api)
    assert [each["state"] for each in await ledger(api)] == [state]
    shown = await api.get("/profiles/user_id:ada")
    assert len(shown.get("push", {})) == left  # type: ignore[arg-type]


class Firebase:
    """Gives tokens to the service account, and takes messages from who has one."""

    def __init__(self) -> None:
        self.assertions: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self.status, self.tokens = 200, 0

    def account(self, url: str) -> str:
        told = {"project_id": "shop-1", "client_email": "cdp@shop-1.example"}
        return json.dumps(told | {"private_key": pem(RSA), "token_uri": f"{url}/token"})

    def answered(self, path: str, request: Request) -> tuple[int, dict[str, Any]]:
        if path == "/token":
            self.assertions.append(parse_qs(request.body.decode())["assertion"][0])
            self.tokens += 1
            return 200, {"access_token": f"t{self.tokens}", "expires_in": 3599}
        assert path == "/v1/projects/shop-1/messages:send"
        if request.headers["authorization"] != f"Bearer t{self.tokens}":
            return 401, {}
        self.messages.append(request.json["message"])
        return self.status, {"name": "projects/shop-1/messages/1"}


@pytest.fixture
async def firebase(api: Api) -> AsyncIterator[Firebase]:
    made = Firebase()
    async with serving(made) as url:
        settings = {"kind": "fcm", "url": url, "service_account": made.account(url)}
        await api.put("/destinations/browsers", settings)
        await agree(api, "fcm")
        yield made


def serving(firebase: Firebase) -> Any:
    """Its server: one that answers with JSON, by path."""
    import asyncio
    from contextlib import asynccontextmanager

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = (line.partition(":") for line in head[1:])
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                path = head[0].split(" ")[1]
                status, said = firebase.answered(path, Request(headers, body))
                text = json.dumps(said).encode()
                line = f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n"
                writer.write(line.encode() + text)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def running() -> AsyncIterator[str]:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
        server.close()

    return running()


async def test_firebase_gets_it_from_a_service_account(api: Api, firebase: Firebase) -> None:
    await write(api)
    await write(api, 2)
    assert [each["state"] for each in await ledger(api)] == ["sent", "sent"]
    (assertion,) = firebase.assertions  # its token serves for both
    head, claims, signature = assertion.split(".")
    signed = f"{head}.{claims}".encode()
    RSA.public_key().verify(padded(signature), signed, padding.PKCS1v15(), hashes.SHA256())
    said = json.loads(padded(claims))
    assert said["iss"] == "cdp@shop-1.example"
    assert said["exp"] - said["iat"] == 3600
    assert abs(said["iat"] - times.now() // times.SECOND) < 60
    first = firebase.messages[0]
    assert first["token"] == TOKEN
    assert first["notification"] == {"title": SAID["title"], "body": SAID["body"]}
    assert first["data"] == {"product": "shoes-7", "url": SAID["url"]}


@pytest.mark.parametrize(
    ("status", "state", "left"),
    [(404, "parked", 0), (400, "parked", 1), (403, "parked", 1), (503, "retrying", 1)],
)
async def test_what_firebase_refuses(
    api: Api, firebase: Firebase, status: int, state: str, left: int
) -> None:
    firebase.status = status
    await write(api)
    assert [each["state"] for each in await ledger(api)] == [state]
    shown = await api.get("/profiles/user_id:ada")
    assert len(shown.get("push", {})) == left  # type: ignore[arg-type]


async def test_a_token_that_ended_early_is_renewed(api: Api, firebase: Firebase) -> None:
    await write(api)
    firebase.tokens = 7  # what was given does not hold any more
    await write(api, 2)
    assert [each["state"] for each in await ledger(api)] == ["sent", "retrying"]
    await write(api, 3)
    assert [each["state"] for each in await ledger(api)] == ["sent", "retrying", "sent"]
    assert len(firebase.assertions) == 2


@pytest.mark.parametrize("field", ["private_key", "service_account"])
async def test_a_key_that_is_none_is_refused(api: Api, field: str) -> None:
    damaged = base64.b64encode(b"x" * 40).decode()
    settings: dict[str, Any] = {"kind": "fcm", "service_account": damaged}
    if field == "private_key":
        settings = {"kind": "apns", "topic": "a.b", "team_id": "A1B2C3D4E5"}
        settings |= {"key_id": "F6G7H8I9J0", "private_key": damaged}
    answer = await api.call("PUT", "/destinations/app", json=settings)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
