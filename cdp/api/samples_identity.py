"""Examples of the answers about identity, in the same way as the others."""

from __future__ import annotations

from typing import Any

from cdp.api.samples import AT, FACT, ID, NEXT
from cdp.api.shapes import Names, Null

RULED: dict[str, Any] = {"fact": FACT, "at": AT}
_EVIDENCE: dict[str, Any] = {
    "event": FACT,
    "type": Null("identify"),
    "name": Null(""),
    "at": Null(AT),
    "source": Null(1),
    "message_id": Null("m-1"),
}
_FIELDS: list[dict[str, Any]] = [{"field": "first_name", "says": "the same", "bits": 6.4}]
_LINK: dict[str, Any] = {
    "a": "anonymous_id:a-1",
    "b": "user_id:u-42",
    "kind": "login",
    "first_seen": AT,
    "taken": True,
    "for": "an identify call named both",
    "against": Null("one person has at most 1 user_id"),
    "evidence": _EVIDENCE,
    "likeness": Null({"probability": 0.9973, "fields": _FIELDS}),
}
EXPLAINED: dict[str, Any] = {
    "same": True,
    "answer": "The same person, because anonymous_id:a-1 and user_id:u-42: an identify call …",
    "path": [_LINK],
}
SUSPECTS: dict[str, Any] = {
    "suspects": [
        {
            "kind": "shared",
            "a": "email:info@example.com",
            "b": Null("anonymous_id:a-1"),
            "reason": "email:info@example.com is linked with 31 others",
        }
    ],
    **NEXT,
}
IDENTITY: dict[str, Any] = {
    "profile_id": ID,
    "identifiers": [{"identifier": "user_id:u-42", "first_seen": AT, "state": "links"}],
    "links": [_LINK],
    "said": [
        {
            "a": "email:info@example.com",
            "b": "user_id:u-42",
            "same": False,
            "at": AT,
            "reason": "the call centre typed its own address",
            "by": "eve",
        }
    ],
    "aliases": [ID],
    "history": [{"at": AT, "kind": "merged", "from": ID, "to": ID, "cause": _EVIDENCE}],
}
_NAMESPACE: dict[str, Any] = {
    "limit": Null(5),
    "people": Null(20),
    "neighbours": Null(500),
    "links": True,
    "blocked": ["info@*"],
    "providers": False,
    "region": "",
}
_RULES: dict[str, Any] = {
    "namespaces": Names({"email": _NAMESPACE}),
    "others": _NAMESPACE,
    "priority": ["user_id", "anonymous_id"],
    "strength": ["login", "identify", "alias", "together", "inferred"],
    "review": Null(25),
    "confidence": Null(0.95),
}
RULES: dict[str, Any] = {"version": 1, "state": "done", "since": Null(AT), "rules": _RULES}
_MANY = Names({"1": 812, "2": 120, "3-5": 40})
TRIAL: dict[str, Any] = {
    "id": ID,
    "state": "done",
    "done": 2400,
    "total": 2400,
    "rules": _RULES,
    "result": Null(
        {
            "identifiers_moved": 3,
            "profiles_merged": 0,
            "profiles_split": 1,
            "profiles": {"before": 972, "after": 973},
            "sizes": {"before": _MANY, "after": _MANY},
            "largest": [
                {
                    "kind": "split",
                    "identifiers": 3,
                    "now": [ID],
                    "then": [ID],
                    "who": ["user_id:u-42"],
                    "because": ["a rule says that email:info@example.com links nobody"],
                }
            ],
            "segments": Null([{"key": "buyers", "before": 31, "after": 32}]),
        }
    ),
}
_MATCHING: dict[str, Any] = {
    "fields": [
        {
            "name": "first_name",
            "compare": "name",
            "traits": ["firstName"],
            "shared": False,
            "crossed": "last_name",
        },
        {
            "name": "last_name",
            "compare": "name",
            "traits": ["lastName"],
            "shared": True,
            "crossed": "",
        },
    ],
    "keys": ["first_name + last_name"],
    "suggest": 0.8,
}
MATCHING: dict[str, Any] = {
    "version": 1,
    "state": "watching",
    "hint": "people are compared when they change",
    "since": Null(AT),
    "waiting": 0,
    "compared": 5949,
    "pairs": 2671,
    "matching": Null(_MATCHING),
    "learned": Null(
        {
            "at": AT,
            "records": 5949,
            "same": 0.000175,
            "household": 0.00047,
            "fields": [
                {
                    "name": "first_name",
                    "levels": [{"says": "the same", "one": 0.92, "two": 0.013, "bits": 6.17}],
                }
            ],
        }
    ),
}
SUGGESTIONS: dict[str, Any] = {
    "suggestions": [
        {
            "a": "anonymous_id:a-1",
            "b": "user_id:u-42",
            "probability": 0.9112,
            "at": AT,
            "fields": _FIELDS,
        }
    ],
    **NEXT,
}
