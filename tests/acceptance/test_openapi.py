"""The API does what its description says, and nothing else: Schemathesis tries to prove otherwise.

The seed is fixed, but what is made of it also depends on the order of sets (`make test` fixes that
too) and on timing: what the description cannot express must be in EXPECTED, even if it is rare.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis

# Now, in one thread: pytest parses what is imported, and Python 3.11 cannot parse in two at once.
import schemathesis.specs.openapi.coverage._operation
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from schemathesis.hooks import HookContext

from tests.support.instances import Api
from tests.support.people import ALLOWS, rows, said_by
from tests.support.privacy import done
from tests.support.served import Served, served
from tests.support.stores import Stores

ADA = "email:ada@example.com"
TRIALS: list[str] = []  # the id of what `story` tries
REQUESTS: list[str] = []  # and of what it asks for
TOKENS: dict[str, str] = {}  # what opens the routes of the preference centre
API = "/api/v1"
EXPECTED = {
    ": unknown; known are": "which purposes there are is in the database, not in the description",
    "is not told of segments": "which kinds of destinations are is said in words",
    "NUL character": "JSON Schema has no way to rule one out in any text of a body",
    "Longer than 20,000 characters": "of a condition as text; no example is meant to be so long",
    "compares twice in the same way": "a condition as text is in a language of its own",
    "unknown purpose": "likewise, inside a condition",
    "purpose: unknown": "which purposes there are is in the database, not in the description",
    "stands for nobody": "which ids stand for no value is more than a pattern can tell",
    "Must name a host": "which numbers are an address and a port is more than a pattern can tell",
    "Must be a country": "which countries have numbers is more than a pattern can tell",
    "Must be the name of another field": "which fields there are stands in the same body",
    "is not one of the fields": "which fields there are stands in the same body",
    "after the point say how many": "a key is written in a small language of its own",
    "Must be given only once": "that names differ is more than a schema can tell",
    "Must be a namespace": "what an object's names may be does not come through from the form",
    "see /consent/regimes": "what an object's names may be does not come through from the form",
    "Must be a purpose's key": "what an object's names may be does not come through from the form",
    "Must be a language": "what an object's names may be does not come through from the form",
    "Must be an http or https URL": "which texts name a host is more than a pattern can tell",
    "events are stored for": "which purpose is meant stands in the path, not in the body",
    "events have none; give": "what can be said instead depends on what the event was",
    "Say what to compare with": "which of several fields are comparisons is more than their number",
    "not both.": "which fields of a condition go together is more than its schema says",
    "Goes with count alone": "likewise",
    "takes neither within nor during": "likewise",
    "The first step has nothing before it": "likewise, of a sequence",
    "is the last of a sequence": "likewise",
    "Is longer than within": "likewise",
    "One time and one `same`": "likewise, of a condition as text",
    "is not an ISO 8601": "which texts are dates is more than a pattern can tell",
    "there is no segment": "which segments there are is in the database",
    "there is no computed trait": "likewise",
    "there is no model": "likewise",
    "Is the name of a ready-made feature": "what an object's names may be is more than its schema",
    "Cannot be what another model predicts": "which texts are which measure is more than a pattern",
    "Must have recency where": "what one field must have goes by another",
    "Name one, or let some of ready": "that one of two fields is not empty is more than a schema",
    "cannot refer to itself": "likewise",
    "Must be given at first": "what is kept from before is in the database",
    "Must be a name in small letters": "what an object's names may be is more than its schema",
    "Must be a name that is not taken": "likewise",
    "Must be a name of letters": "likewise",
    "parquet takes pip install": "what is installed is not in the description",
    "Must not name an address": "which numbers are an address is more than a pattern can tell",
    "Filters may nest": "a schema of a tree has no depth",
    ": expected ": "a condition as text is in a language of its own",
    "before 1970": "JSON Schema has no least date",
    "no JSON Schema": "which objects are one is what the specification says, not the description",
    "nothing is fetched": "where a schema may refer to is more than its description tells",
    "from must not lie after to": "JSON Schema does not compare one field with another",
    "that would be over": "likewise, how far apart they lie",
    "segments are of people": "what one field must have goes by another",
    "the content is ": "likewise",
    "the content's `locale`": "likewise",
    "at least one language": "likewise, how many an object of texts has",
    "a point on P-256": "likewise, which are points on a curve",
    "16 bytes": "likewise, which are so long",
    "URL of a push service": "likewise, which name a host",
    "whose it is": "that one of two fields is not empty is more than a schema can say",
    "or url instead": "that one of two fields must be there is more than a schema says",
    "feed.items[": "what an item is as content, its own form tells",
    "url: ": "what is at an address is not in the description",
    "Must be there: the kind": "which of several fields must be there goes by another",
    "key file of a service account": "likewise, which texts are keys",
    ".p8 file": "likewise",
    "a private key of P-256": "likewise, which numbers are keys of a curve",
    "Must be a template": "which texts are templates is more than a pattern can tell",
    "There is no variable": "likewise, and what they take",
    "bytes of JSON": "an object has no most bytes",
    "Must be a language tag": "what an object's names may be does not come through from the form",
    "do not go together": "JSON Schema has no way to rule out two parameters at once",
    "there is no destination": "which destinations there are is in the database",
    "which carries no": "likewise, and of which kind",
    "carries no data message": "likewise",
    "there is no template": "which templates there are is in the database",
    "there is no variable": "which texts are templates is more than a pattern can tell",
    "line 1": "likewise",
    "Must be there": "which fields a message has goes by its channel",
    "Unknown field; of": "likewise",
    "one of the languages of texts": "likewise, by its texts",
    "its trigger is another": "likewise, what begins a campaign",
    "whose trigger is a segment": "likewise",
    "Say what begins it": "that one of several fields is there is more than a schema",
    "A step is one of": "likewise",
    "Say what to send": "likewise",
    "Say when": "likewise",
    "where goes with event": "likewise",
    "with a schedule": "that one field must be there with another is more than a schema",
    "trigger.schedule": "which texts are crontab lines and times is more than a pattern can tell",
    "trigger.where": "a condition is in a language of its own",
    "variants: Must all be": "which channel a template is for is in the database",
    "go with if": "likewise",
    "Steps may nest": "a schema of a tree has no depth",
    "steps in all": "likewise",
    "Must be a time zone's name": "which names are time zones is more than a pattern can tell",
    "Must be longer than nothing": "a length of time has no least value in a pattern",
    "no Message-ID of ours": "which texts are ours is more than the description tells",
    "an RSA key": "which texts are keys is more than a pattern can tell",
    "a password goes along": "what one field may be goes by another",
    "Must be there with dkim_key": "likewise",
    "never anybody's": "which addresses are nobody's is more than a pattern can tell",
    "lies in the future": "JSON Schema does not know what time it is",
}


def configured(keys: dict[str, str]) -> SchemathesisConfig:
    """Every phase but the stateful one, which needs links that the description does not have."""
    as_operator = {"Authorization": f"Bearer {keys['api_key']}"}
    as_sdk = {"X-Write-Key": keys["write_key"]}
    return SchemathesisConfig.from_dict(
        {
            "seed": 2026,
            "phases": {"stateful": {"enabled": False}},
            "generation": {
                "max-examples": 20,
                "deterministic": True,
                "allow-x00": False,  # a NUL in a text is a 400, which JSON Schema cannot say
            },
            "operations": [
                # Of a tree the coverage phase tries ten thousand combinations; some will do.
                {
                    "include-path-regex": f"^{API}/(segments|traits|models)/",
                    "include-method": ["PUT", "POST"],
                    "headers": as_operator,
                    "phases": {"coverage": {"enabled": False}},
                },
                {"include-path-regex": f"^{API}", "headers": as_operator},
                {"exclude-path-regex": f"^{API}", "headers": as_sdk},
            ],
        }
    )


async def story(api: Api) -> None:
    """Something to show on every route, under the names that the description has as examples."""
    orders = {"event": "Order Completed", "where": [{"property": "revenue", "gt": 50}]}
    await api.put("/segments/buyers", {"name": "Buyers", "where": orders})
    worth = {"event": "Order Completed", "sum": {"of": "revenue"}}
    await api.put("/traits/worth", {"name": "Worth", "value": worth})
    model = {"kind": "clusters", "name": "Kinds", "features": {"worth": worth}}
    await api.put("/models/buyers", model)  # and the trait of that name
    hook: dict[str, Any] = {"kind": "webhook", "url": "http://127.0.0.1:9/x"}
    hook |= {
        "segments": ["buyers"],
        "batch": 20,
        "identifiers": {"mail": "email"},
        "computed": {"worth": "worth"},
    }
    await api.put("/destinations/buyers", hook)
    template = {"name": "T", "channel": "data", "texts": {"en": {"line": "Hello"}}}
    await api.put("/templates/buyers", template)
    ordered = {"event": "Order Completed"}
    again = {"name": "C", "trigger": ordered, "purpose": "analytics", "again": "1s"}
    steps = [{"send": {"template": "buyers", "channels": ["buyers"]}}, {"wait": "1h"}]
    quiet = {"from": "21:00", "to": "08:00"}
    cap = {"limit": 3, "window": "7d"}
    await api.put("/pacing", {"caps": [cap], "quiet_hours": [quiet]})
    await api.put("/campaigns/buyers", again | {"steps": steps})
    text = {"en": "Hello"}
    variants = [{"key": "a", "html": text}]
    about = {"tags": ["t"], "metadata": {"m": 1}, "segments": ["buyers"], "purpose": "analytics"}
    content = {"name": "B", "slots": ["hero"], "variants": variants, "except_segments": ["x"]}
    await api.put("/content/buyers", content | about)
    push = {"kind": "webpush", "subject": "mailto:a@example.com", "enabled": True}
    await api.put("/destinations/push", push)
    row = {"traits": {"email": "email"}, "enabled": False}
    bucket = {"kind": "s3", "url": "http://127.0.0.1:9", "bucket": "buyers", "folder": "a"}
    keys = {"access_key_id": "a", "secret_access_key": "b"}
    await api.put("/destinations/bucket", bucket | keys | row)
    table = {"kind": "sql", "host": "127.0.0.1", "database": "d", "user": "u", "password": "p"}
    await api.put("/destinations/table", table | row)
    purpose = {"name": "B", "by_default": "denied", "signals": ["b"], "channels": ["c"]}
    await api.put("/consent/purposes/buyers", purpose)
    await api.put("/consent/notices/buyers", {"texts": {"en": {"title": "T", "text": "N"}}})
    traits = {"email": "ada@example.com", "age": 36, "tags": ["a"], "deep": {"x": None}}
    order = {"properties": {"revenue": {"type": "string"}}}
    await api.put("/tracking-plans/1", {"owner": "o", "events": {"Order Completed": order}})
    batch = [
        {"type": "identify", "userId": "ada", "anonymousId": "a", "traits": traits},
        {"type": "group", "userId": "ada", "groupId": "g", "traits": {"size": 2}},
        {
            "type": "track",
            "userId": "ada",
            "event": "Order Completed",
            "properties": {"revenue": 51},
        },
        {"type": "track"},
        5,
    ]
    assert (await api.send("/v1/batch", {"batch": batch}, **{"sec-gpc": "1"})).is_success
    unknown = {"x-write-key": "unknown"}
    assert (await api.send("/v1/page", {"anonymousId": "b"}, **unknown)).is_success
    said = {"purpose": "marketing_email", "state": "granted", "notice": "v1", "proof": "form"}
    await api.settle()
    await api.put(f"/consent/{ADA}", said)
    await api.put(f"/consent/{ADA}", {"purpose": "buyers", "state": "granted"})
    await api.settle()
    await who_is_who(api)
    await who_is_alike(api)
    await who_may_decide(api)
    await done(api, "erase", "user_id:nobody")
    REQUESTS.append((await done(api, "export", ADA))["id"])


async def who_may_decide(api: Api) -> None:
    """Links to every page of the preference centre; those of somebody else are taken back."""
    who = "email:reader@example.com"
    for path, more in (("links", {}), ("opt-in", {"source": "https://shop.example/"})):
        made = await api.call("POST", f"/preferences/{path}", json={"identifier": who} | more)
        TOKENS[f"/preferences/{'confirm/' if more else ''}{{token}}"] = made.json()["token"]
        leave = made.json().get("unsubscribe_url", "").rpartition("/")[2]
        TOKENS.setdefault("/preferences/unsubscribe/{token}", leave)


async def who_is_alike(api: Api) -> None:
    """Pairs that are probably one."""
    batch = [said_by(row, context=ALLOWS) for row in rows()[:400]]
    assert (await api.send("/v1/batch", {"batch": batch})).is_success
    await api.settle()
    await api.put("/identity/matching", {})
    await api.settle()


async def who_is_who(api: Api) -> None:
    """A merge, a word of an operator, and an address that many people share."""
    early = {"anonymousId": "early", "timestamp": "2020-01-01T00:00:00Z"}
    assert (await api.send("/v1/page", early)).is_success
    await api.settle()
    shared = {"traits": {"email": "info@example.com"}}
    crowd = [{"type": "identify", "userId": f"u{n}", **shared} for n in range(21)]
    joined = {"type": "identify", "userId": "ada", "anonymousId": "early"}
    assert (await api.send("/v1/batch", {"batch": [joined, *crowd]})).is_success
    await api.settle()
    tried = await api.call("POST", "/identity/rules/dry-run", json={"review": 10})
    TRIALS.append(tried.json()["id"])
    word = {"a": "user_id:ada", "b": "anonymous_id:a", "reason": "not hers"}
    assert (await api.call("POST", "/identity/unlink", json=word)).is_success
    await api.settle()


@pytest.fixture(scope="module")
def platform_api(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API of its own: what is tried here must not be in the way of other tests."""
    with served(stores.fresh(), tmp_path_factory.mktemp("served"), story) as running:
        yield running


@pytest.fixture(scope="module")
def description(platform_api: Served) -> Any:
    """What the platform says about itself."""
    config = configured(platform_api.keys)
    found = schemathesis.openapi.from_url(f"{platform_api.url}/openapi.json", config=config)
    found.hook(filter_failure)
    return found


READ_AS_PEOPLE = {
    ("GET", f"{API}/profiles/read"),
    ("PUT", f"{API}/segments/preview"),
    ("GET", f"{API}/content/import"),
    ("PUT", f"{API}/content/import"),
    ("DELETE", f"{API}/content/import"),
    ("PUT", f"{API}/consent/notices"),
    ("PUT", f"{API}/consent/purposes"),
    ("PUT", f"{API}/consent/regimes"),
    ("PUT", f"{API}/consent/purposes/{{key}}/people"),
    ("PUT", f"{API}/consent/receipts/keys"),
    ("GET", f"{API}/consent/receipts/verify"),
    ("PUT", f"{API}/consent/receipts/verify"),
    ("PUT", f"{API}/consent/{{ref}}/receipt"),
    ("GET", f"{API}/identity/link"),
    ("GET", f"{API}/identity/unlink"),
    ("GET", f"{API}/identity/matching/learn"),
    ("GET", f"{API}/identity/rules/dry-run"),
    ("GET", f"{API}/identity/rules/dry-run/{{trial}}/activate"),
}


def filter_failure(context: HookContext, failure: Any, case: Any, response: Any) -> bool:
    """Failures that are none: see EXPECTED for why."""
    if (case.method, case.path) in READ_AS_PEOPLE:
        return False  # a person named "purposes", or a segment "preview", and refused for that
    if "Allow" in str(failure) and case.path in {path for _, path in READ_AS_PEOPLE}:
        return False  # and allowed for that
    if response.status_code == 410:
        return False  # a link that another try has taken back
    if response.status_code == 413:
        return False  # what is too long for its description can be too long to be read
    return response.status_code != 400 or not any(each in response.text for each in EXPECTED)


def test_every_read_has_something_to_show_as_described(
    description: Any, platform_api: Served
) -> None:
    key = platform_api.keys["write_key"]
    operator = {"Authorization": f"Bearer {platform_api.keys['api_key']}"}
    shown_to = {"user_id": "ada", "slot": "hero"}
    told = httpx.get(
        f"{platform_api.url}/personalize/content", params=shown_to | {"writeKey": key}
    ).json()
    queries = {
        f"{API}/personalize/content": shown_to,
        "/personalize/content": shown_to | {"writeKey": key},
        "/push/key": {"writeKey": key},
        "/personalize/why": {"decision": told["blocks"]["hero"]["decision_id"]},
        "/sourceConfig": {"writeKey": key},
        f"{API}/identity/explain": {"a": ADA, "b": "anonymous_id:a"},
        f"{API}/profiles/{{ref}}/diff": {"from": "2020-01-01T00:00:00Z"},
    }
    shown = {}
    for operation in (result.ok() for result in description.get_all_operations()):
        path = operation.path
        if operation.method.upper() == "GET":
            names = {"trial": TRIALS[-1], "request": REQUESTS[-1], "ref": ADA, "call": "page"}
            names["token"] = TOKENS.get(path, "")
            names["key"] = key if "settings" in path else "buyers"
            names["source"] = "1"
            case = operation.Case(
                path_parameters={name: names[name] for name in names if f"{{{name}}}" in path},
                query=queries.get(path, {}),
            )
            answer = case.call_and_validate(headers=operator if path.startswith(API) else {})
            assert answer.status_code == 200, (path, answer.text)
            as_json = "json" in answer.headers["content-type"][0] and path.startswith(API)
            shown[path] = answer.json() if as_json else {"": answer.content}
    assert len(shown) > 15
    reasons = shown.pop(f"{API}/profiles/{{ref}}/segments/{{key}}/explain")
    assert shown.pop(f"{API}/profiles/{{ref}}/models/{{key}}/explain")["reasons"] == []
    assert (reasons["member"], bool(reasons["because"]), reasons["missing"]) == (True, True, [])
    assert [path for path, told in shown.items() if [] in told.values()] == []


def test_nothing_happens_that_is_not_described(description: Any) -> None:
    failures: dict[str, str] = {}
    tried: Counter[str] = Counter()
    for event in engine.from_schema(description).execute():
        assert not isinstance(event, NonFatalError | FatalError), event
        if isinstance(event, ScenarioFinished):
            recorder = event.recorder
            tried[recorder.label] += len(recorder.cases)
            for check in (each for checks in recorder.checks.values() for each in checks):
                if check.failure_info is not None:
                    info = check.failure_info
                    failures[f"{recorder.label} {check.name}"] = (
                        f"{info.failure}\n{info.code_sample}"
                    )
    assert not failures, "\n\n".join(f"{name}\n{told[:2000]}" for name, told in failures.items())
    operations = {result.ok().label for result in description.get_all_operations()}
    assert {label for label in operations if not tried[label]} == set()
    assert tried.total() > 1000
