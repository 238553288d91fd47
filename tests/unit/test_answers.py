"""What SDKs need to hear at start, or they stay silent or talk to their vendor."""

from __future__ import annotations

import pytest

from cdp.collect.answers import rudderstack_config, segment_settings


@pytest.mark.parametrize(
    ("base", "host", "protocol"),
    [
        ("http://localhost:8000", "localhost:8000/v1", "http"),
        ("https://cdp.example.com", "cdp.example.com/v1", "https"),
        ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443/v1", "https"),
    ],
)
def test_segments_clients_are_kept_here(base: str, host: str, protocol: str) -> None:
    answer = segment_settings("key", base)
    ours = answer["integrations"]["Segment.io"]  # none: the web client forgets its host
    assert (ours["apiKey"], ours["apiHost"], ours["protocol"]) == ("key", host, protocol)
    assert answer["metrics"] == {"sampleRate": 0}  # else they report to their vendor
    assert answer["plan"]["track"]["__default"]["enabled"] is True


def test_rudderstacks_client_starts() -> None:
    source = rudderstack_config("key", 7, "shop")["source"]
    assert (source["writeKey"], source["name"], source["enabled"]) == ("key", "shop", True)
    assert source["id"]
    assert source["workspaceId"]
    assert source["destinations"] == []
    assert isinstance(source["config"], dict)
