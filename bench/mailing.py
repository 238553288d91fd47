"""E-mails a second: rendered, written, signed and handed to an SMTP server on this machine."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from activation import claims
from activation.kinds.email import EMAIL
from activation.kinds.protocol import Message, Reach
from activation.mail import dkim
from activation.mail.dkim import Signer
from activation.mail.pool import Letter, Pool, Server, hand_over
from activation.mail.writing import Envelope, written
from activation.model import MESSAGE, Delivery, Destination
from activation.templates.model import Template, message
from bench.measure import Figure
from cdp import times
from tests.support.smtp import mailing_apart

EMAILS = 3008
AT_ONCE = 32
CONNECTIONS = 4
SENDER = "news@shop.example"
_TEXT = {
    "subject": "{{ person.name }}, your cart waits",
    "html": "<p>Hello {{ person.name | default('there') }}</p><ul>"
    "{% for each in values.items_ %}<li>{{ each }}</li>{% endfor %}</ul>"
    + "<p>Free shipping until tonight, on all that you have in it.</p>"
    * 40,
}
_TEMPLATE = Template(
    "cart", 1, "Cart", "email", {"en": _TEXT}, "en", {"items_": [f"Shoe {n}" for n in range(20)]}
)


def mail() -> list[Figure]:
    """As the third agent sends: so many side by side."""
    taken, floor = asyncio.run(_taken())
    rate, most = EMAILS / taken, EMAILS / floor
    beside = f"the same bytes, made beforehand: {most:,.0f}/s"
    what = "e-mail hand-over, rendered and signed"
    return [Figure(what, rate, "/s", "≥ 300", rate >= 300, beside, rate / most)]


async def _taken() -> tuple[float, float]:
    """Seconds for all of them; and for handing the same bytes over, made beforehand."""
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with mailing_apart() as port:
        said = {"kind": "email", "host": "127.0.0.1", "port": port, "security": "none"}
        said |= {"from_address": SENDER, "dkim_selector": "a", "connections": CONNECTIONS}
        settings: dict[str, Any] = EMAIL.form().load(said)
        timeout = settings["timeout"]
        destination = Destination("mail", "email", settings, timeout=timeout)
        pool = Pool(Server("127.0.0.1", port, "none", "", "", "shop.example", True), CONNECTIONS)
        async with httpx.AsyncClient() as client:
            reach = Reach(client, private=True)
            connector = EMAIL.opened(destination, {"dkim_key": pem.decode()}, reach)
            letters = _letters(pem.decode())
            taken = floor = 0.0
            for first in range(0, EMAILS, AT_ONCE):  # turn by turn: both have the same machine
                began = time.perf_counter()
                batch = [_message(number) for number in range(first, first + AT_ONCE)]
                claim = claims.begin(times.now)
                sent = [connector.send([each], claim, times.now()) for each in batch]
                assert all(each[0].delivered for each in await asyncio.gather(*sent))
                between = time.perf_counter()
                await asyncio.gather(*(_handed_over(pool, letter) for letter in letters))
                taken += between - began
                floor += time.perf_counter() - between
            await connector.close()
        await pool.close()
    return taken, floor


def _letters(pem: str) -> list[Letter]:
    """As many as are sent at once, ready."""
    signer = Signer("shop.example", "a", dkim.private(pem))
    letters = []
    for number in range(AT_ONCE):
        made = _message(number)
        to = f"person-{number}@example.com"
        leave = made.content["links"]["unsubscribe"]
        envelope = Envelope(SENDER, "", "", to, made.delivery.id, 0, leave)
        letters.append(Letter(SENDER, to, dkim.signed(written(envelope, made.content), signer, 0)))
    return letters


async def _handed_over(pool: Pool, letter: Letter) -> None:
    async with pool.room():
        client = await pool.taken()
        await hand_over(client, letter)
        pool.back(client)


def _message(number: int) -> Message:
    view = {
        "identifiers": {"email": [f"person-{number}@example.com"]},
        "traits": {"name": f"Person {number}"},
    }
    content = message(_TEMPLATE, {"person": view["traits"]})
    links = {"unsubscribe": "https://cdp.example/preferences/unsubscribe/" + "x" * 200}
    made = uuid.uuid4().bytes
    delivery = Delivery(made, "mail", made, "cart", MESSAGE, times.now(), "marketing_email")
    return Message(delivery, view, {**content, "links": links}, {})
