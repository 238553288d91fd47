"""What can happen to people on a platform, right and wrong; marks for all that is said of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import psycopg

from cdp.services.server import free_port
from tests.support.planted import Planted
from tests.support.platform import Platform

PEOPLE = Planted()  # what is said of people: must stand nowhere
WORDS = Planted()  # what operators define: stands in the database, and is in no log or metric
EMAIL, PHONE, IP = PEOPLE.email("ada"), PEOPLE.phone(), PEOPLE.address()
USER, DEVICE, GROUP = PEOPLE.word("user"), PEOPLE.word("device"), PEOPLE.word("group")
EVENT = WORDS.word("event")
LINKS: list[str] = []  # paths with a token
CONTEXT = {
    "ip": IP,
    "userAgent": PEOPLE.word("agent"),
    "locale": "en-CA",
    "page": {"url": f"https://shop.test/{PEOPLE.word('url')}?email={EMAIL}", "title": USER},
    "device": {"id": PEOPLE.word("phone"), "advertisingId": PEOPLE.word("advertising")},
    "campaign": {"name": PEOPLE.word("campaign")},
    "traits": {"email": EMAIL},
    "externalIds": [
        {"id": PEOPLE.word("external"), "type": WORDS.word("namespace"), "collection": "users"}
    ],
    "consent": {
        "categoryPreferences": {"analytics": True, WORDS.word("category"): True},
        "notice": WORDS.word("notice"),
    },
}
PERSON = {
    "userId": USER,
    "anonymousId": DEVICE,
    "traits": {
        "email": EMAIL,
        "phone": f"+{PHONE}",
        "lastName": PEOPLE.word("name"),
        "deep": {PEOPLE.word("key"): [PEOPLE.word("value")]},
    },
    "context": CONTEXT,
}
ORDER = {
    **PERSON,
    "event": EVENT,
    "properties": {"for": EMAIL, PEOPLE.word("property"): PEOPLE.word("text")},
}


def ordeal(platform: Platform) -> None:
    """All of it."""
    what_goes_right(platform)
    what_people_decide(platform)
    what_operators_ask(platform)
    what_callers_do_wrong(platform)
    what_destinations_do_wrong(platform)
    with _database(platform) as connection:
        what_agents_stumble_over(platform, connection)
        what_breaks(platform, connection)


def what_goes_right(platform: Platform) -> None:
    browser = {"origin": "https://shop.test", "x-forwarded-for": IP}
    platform.send("/v1/identify", PERSON)
    platform.send("/v1/batch", {"batch": [{"type": "track", **ORDER}]})
    platform.send("/v1/t", ORDER, **browser)
    platform.send("/v1/group", {**PERSON, "groupId": GROUP, "traits": {"name": GROUP}})
    platform.send("/v1/alias", {"userId": USER, "previousId": PEOPLE.word("previous")})
    platform.get(f"/v1/pixel/page?userId={USER}&name={EMAIL}")
    said = {"source": USER, "proof": f"signed by {EMAIL}", "notice": WORDS.word("notice")}
    platform.put(f"/consent/email:{EMAIL}", {"purpose": "profiling", "state": "granted"} | said)
    platform.wait_quiet()
    assert platform.profile(f"email:{EMAIL}")["traits"]["email"] == EMAIL
    word = {"a": f"user_id:{USER}", "b": f"email:{EMAIL}", "reason": f"not {EMAIL}"}
    assert platform.call("POST", "/identity/unlink", json=word).is_success


def what_people_decide(platform: Platform) -> None:
    """Through links, which are secrets; and what goes wrong with one."""
    who = {"identifier": f"email:{EMAIL}"}
    links = platform.call("POST", "/preferences/links", json=who).json()
    asked = platform.call("POST", "/preferences/opt-in", json=who | {"source": EMAIL}).json()
    LINKS.extend(urlsplit(each).path for each in (links["url"], links["unsubscribe_url"]))
    LINKS.append(urlsplit(asked["url"]).path)
    for path in LINKS:
        assert platform.get(path).is_success
        assert platform.get(f"{path}x").status_code == 404
    choices = {"purposes": {"analytics": "granted"}, "notice": EMAIL}
    assert platform.client.put(LINKS[0], json=choices).is_success
    assert platform.client.put(LINKS[0], json={"notice": [EMAIL]}).status_code == 400
    one_click = {"List-Unsubscribe": "One-Click"}
    assert platform.client.post(LINKS[1], data=one_click).is_success
    assert platform.client.post(LINKS[2], data={"confirm": "yes"}).status_code == 303


def what_operators_ask(platform: Platform) -> None:
    """Whatever takes or shows a person."""
    who = f"email:{EMAIL}"
    for path in ("profiles/{}", "identity/{}", "consent/{}", "consent/{}/receipt"):
        assert platform.call("GET", "/" + path.format(who)).is_success, path
    pair = {"a": who, "b": f"user_id:{USER}"}
    assert platform.call("GET", "/identity/explain", params=pair).is_success
    assert platform.call("GET", "/audit", params={"about": who}).json()["entries"]
    rules = {"namespaces": {"email": {"links": False}}}
    assert platform.call("POST", "/identity/rules/dry-run", json=rules).is_success
    assert EMAIL in platform.command("consent", "contactable", "profiling")
    platform.wait_quiet()


def what_callers_do_wrong(platform: Platform) -> None:
    nameless = {name: value for name, value in ORDER.items() if name != "event"}
    assert platform.send("/v1/track", nameless).is_success  # into quarantine
    platform.send("/v1/track", {**ORDER, "timestamp": EMAIL})
    platform.send("/v1/track", ORDER, **{"x-write-key": EMAIL})
    platform.send("/v1/track", [EMAIL])
    headers = {"x-write-key": platform.keys["write_key"]}
    assert platform.client.post("/v1/track", content=EMAIL, headers=headers).status_code == 400
    platform.call("GET", f"/profiles/{EMAIL}")
    platform.call("GET", f"/profiles/email:{EMAIL}", headers={"authorization": f"Bearer {EMAIL}"})
    platform.call("PUT", f"/segments/{EMAIL}", json={"name": EMAIL, "where": {"event": EMAIL}})
    platform.call("GET", f"/no/such/{EMAIL}")
    platform.call("GET", f"/profiles/email:{EMAIL}?{EMAIL}={EMAIL}&min_confidence={EMAIL}")
    platform.call("PUT", f"/consent/email:{EMAIL}", json={"purpose": EMAIL, EMAIL: EMAIL})
    platform.call("PUT", f"/consent/purposes/{WORDS.word('key')}", json={"name": [USER]})
    platform.call("PUT", "/destinations/wrong", json={"kind": EMAIL, "url": EMAIL})
    platform.call("POST", "/quarantine/replay", json={"ids": [EMAIL]})
    platform.client.get(f"/{EMAIL}", headers={"user-agent": EMAIL, "referer": EMAIL})


def what_destinations_do_wrong(platform: Platform) -> None:
    """Nobody is there, and who is there answers with what it was sent."""
    platform.put("/segments/everybody", {"name": WORDS.word("name"), "where": {"event": EVENT}})
    nobody_there = f"http://127.0.0.1:{free_port()}/{WORDS.word('path')}"
    platform.put("/destinations/crm", {"kind": "webhook", "url": nobody_there})
    with echoing() as url:
        platform.put("/destinations/echo", {"kind": "webhook", "url": url})
        platform.send("/v1/track", {**ORDER, "userId": PEOPLE.word("second")})
        for destination in ("crm", "echo"):
            platform.wait_for(
                lambda: destination in _tried(platform),  # noqa: B023 - called before the next
                30,
                "try to deliver",
            )


def _tried(platform: Platform) -> set[str]:
    shown = platform.call("GET", "/deliveries").json()["deliveries"]
    return {each["destination"] for each in shown if each["state"] in {"retrying", "parked"}}


@contextmanager
def echoing() -> Iterator[str]:
    """A receiver that says what it was sent in its error, and in a header of that."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(422, USER)
            self.send_header("content-length", str(len(body)))
            self.send_header("x-person", EMAIL)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def what_agents_stumble_over(platform: Platform, connection: psycopg.Connection[Any]) -> None:
    """A word that is none, and an event that does not open any more."""
    with connection.transaction():
        row = connection.execute(
            "update heads set next_offset = next_offset + 1 where topic = 'touched'"
            " and partition = 0 returning next_offset - 1"
        ).fetchone()
        assert row is not None
        poison = b"\xff" + WORDS.word("").encode()
        connection.execute(
            "insert into outbox values ('touched', 0, %s, %s, %s)", (row[0], poison[:16], poison)
        )
    connection.execute(
        "create function damage() returns trigger language plpgsql as"
        " 'begin new.payload = ''ada''; return new; end'"
    )
    connection.execute(
        "create trigger damage before insert on events for each row execute function damage()"
    )
    assert platform.send("/v1/track", ORDER).is_success
    connection.execute("drop trigger damage on events")
    platform.wait_for(lambda: platform.gauges()["cdp_parked"] >= 2, 30, "parked records")


def what_breaks(platform: Platform, connection: psycopg.Connection[Any]) -> None:
    """Tables that are not there: bugs as the API, its writer and a worker would meet them."""
    connection.execute("alter table fragments rename to gone")
    assert platform.send("/v1/track", ORDER).is_success
    platform.wait_for(lambda: '"died"' in _all(platform), 30, "end of a worker")
    assert platform.call("GET", f"/identity/trace/email:{EMAIL}").status_code in {404, 500}
    connection.execute("alter table gone rename to fragments")
    connection.execute("alter function append_events rename to gone")
    assert platform.send("/v1/track", ORDER, connection="close").status_code == 500
    connection.execute("alter function gone rename to append_events")
    with connection.transaction():  # the store hangs: what comes is spilled
        connection.execute("lock table heads in access exclusive mode")
        for _ in range(5):
            assert platform.send("/v1/track", ORDER).is_success
            assert platform.send("/v1/track", {**PERSON, "timestamp": EMAIL}).is_success
    platform.processes("postgres -D")[0].kill()
    platform.call("GET", f"/profiles/email:{EMAIL}")
    assert platform.send("/v1/track", ORDER).is_success  # kept on disk, or once it is back
    platform.wait_for(lambda: "server_died" in _all(platform), 30, "word of the database's end")
    platform.wait_for(lambda: platform.get("/health/ready").is_success, 60, "the database")
    platform.wait_quiet()


def _all(platform: Platform) -> str:
    return (platform.home / "platform.log").read_text()


def _database(platform: Platform) -> psycopg.Connection[Any]:
    urls = json.loads((platform.home / "data" / "services.json").read_text())
    return psycopg.connect(urls["database"], autocommit=True)
