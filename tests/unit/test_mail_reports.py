"""What mail servers send back: which delivery it is of, and whether it is for good."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activation.mail.reports import Unreadable, read

DELIVERY = uuid.UUID("5f0d0000-0000-5000-8000-000000000001")
BACK = f"Message-ID: <{DELIVERY}@shop.example>\r\nSubject: Hi\r\n\r\nHi\r\n"


def report(about: str, said: str, back: str = BACK, kind: str = "message/rfc822") -> bytes:
    parts = ("text/plain", "Sorry.\r\n"), (f"message/{about}", said), (kind, back)
    body = "".join(f"--b\r\nContent-Type: {name}\r\n\r\n{text}\r\n" for name, text in parts)
    head = f'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={about}; boundary="b"'
    return f"From: mailer@mx.example\r\n{head}\r\n\r\n{body}--b--\r\n".encode()


def status(said: str, action: str = "failed") -> str:
    about = f"Final-Recipient: rfc822; ada@example.com\r\nAction: {action}\r\nStatus: {said}\r\n"
    return f"Reporting-MTA: dns; mx.example\r\n\r\n{about}"


@pytest.mark.parametrize(
    ("said", "lasting"),
    [("5.1.1", True), ("5.1.10", True), ("5.2.1", True), ("5.2.2", False), ("5.7.1", False)],
)
def test_a_bounce(said: str, lasting: bool) -> None:
    found = read(report("delivery-status", status(said)))
    assert found == ("bounced", DELIVERY.bytes, said, lasting)


def test_a_bounce_with_headers_alone() -> None:
    raw = report("delivery-status", status("5.1.1"), BACK, "text/rfc822-headers")
    assert read(raw).delivery == DELIVERY.bytes


def test_a_complaint_is_for_good() -> None:
    said = "Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n"
    found = read(report("feedback-report", said))
    assert found == ("complained", DELIVERY.bytes, "", True)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "no multipart/report"),
        (b"Subject: away\r\n\r\nI am away", "no multipart/report"),
        (report("delivery-status", status("4.4.1", "delayed")), "'delayed', not of a failure"),
        (report("delivery-status", status("5.1.1"), "Subject: x\r\n\r\n"), "nothing of ours"),
        (
            report("delivery-status", status("5.1.1"), "Message-ID: <x@y.example>\r\n\r\n"),
            "nothing of ours",
        ),
    ],
)
def test_what_is_no_report_is_said_so(raw: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        read(raw)


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        read(raw)
    with pytest.raises(Unreadable):
        read(
            b'MIME-Version: 1.0\r\nContent-Type: multipart/report; boundary="b"\r\n\r\n--b\r\n'
            + raw
        )
