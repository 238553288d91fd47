"""`CDP_KAFKA_URL`: everything about a cluster in one value, and what is wrong there is named."""

from __future__ import annotations

import pytest

from cdp.cluster import Cluster
from cdp.errors import ConfigurationError
from cdp.settings import Settings


def test_a_host_is_enough() -> None:
    cluster = Cluster.of("kafka://broker")
    assert cluster == Cluster(("broker:9092",))
    assert cluster.name("events") == "cdp.events"


def test_a_secured_cluster_of_several_servers() -> None:
    cluster = Cluster.of(
        "kafka+ssl://us%3Aer:p%40ss@a.example:9093,[::1]:9094/shop.eu"
        "?mechanism=SCRAM-SHA-512&ca=/etc/ca.pem&cert=/c.pem&key=/k.pem&replication=3"
        "&retention_hours=48"
    )
    assert cluster.servers == ("a.example:9093", "[::1]:9094")
    assert (cluster.user, cluster.password) == ("us:er", "p@ss")
    assert (cluster.tls, cluster.mechanism) == (True, "SCRAM-SHA-512")
    assert (cluster.ca, cluster.cert, cluster.key) == ("/etc/ca.pem", "/c.pem", "/k.pem")
    assert (cluster.replication, cluster.retention_hours) == (3, 48)
    assert cluster.name("touched") == "shop.eu.touched"
    assert "p@ss" not in repr(cluster)


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("broker:9092", "must begin with kafka://"),
        ("http://broker", "must begin with kafka://"),
        ("kafka://", "servers look like"),
        ("kafka://a,,b", "servers look like"),
        ("kafka://a/with/slash", "prefix"),
        ("kafka://a?acks=1", "option 'acks'"),
        ("kafka://a?replication=0", "option 'replication'"),
        ("kafka://a?retention_hours=a%20week", "option 'retention_hours'"),
        ("kafka://a?mechanism=GSSAPI", "mechanism must be one of"),
        ("kafka://a?ca=/ca.pem", r"need kafka\+ssl"),
        ("kafka+ssl://a?cert=/c.pem", "come together"),
    ],
)
def test_what_is_wrong_is_named_without_the_password(url: str, fix: str) -> None:
    secret = url.replace("://", "://cdp:secret@")
    for told in (url, secret):
        with pytest.raises(ConfigurationError, match=fix) as caught:
            Settings.from_env({"CDP_KAFKA_URL": told})
        assert "CDP_KAFKA_URL" in str(caught.value)
        assert "secret" not in str(caught.value)
