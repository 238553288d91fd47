"""On the wire: heads that two servers could read differently, and texts that would forge a log."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import Api
from tests.integration.test_serving import listening, talk

POST = b"POST /v1/track HTTP/1.1\r\nhost: x\r\n"
GET = b"GET /health/live HTTP/1.1\r\nhost: x\r\n"
REFUSED = {
    "two lengths": POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
    "a length and chunks": POST
    + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "a length with a sign": POST + b"content-length: +2\r\n\r\n{}",
    "chunks that are none": POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a header in two lines": GET + b"x-a: b\r\n c\r\n\r\n",
    "a space before the colon": GET + b"x-a : b\r\n\r\n",
    "a bare CR in a header": GET + b"origin: a\rset-cookie: b\r\n\r\n",
    "a NUL in a header": GET + b"x-request-id: a\x00b\r\n\r\n",
    "bytes in the path": b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_head_that_can_be_read_in_two_ways_is_refused(api: Api, name: str) -> None:
    async with listening(api.app) as address:
        answer = await talk(address, REFUSED[name])
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert answer.count(b"HTTP/1.1") == 1


async def test_what_a_header_says_stays_in_its_header(api: Api) -> None:
    odd = b'\xe9\xff; a="b"'
    asked = b"OPTIONS /v1/track HTTP/1.1\r\nhost: x\r\nconnection: close\r\norigin: " + odd
    async with listening(api.app) as address:
        answer = await talk(address, asked + b"\r\n\r\n")
        absolute = b"GET http://evil/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        assert (await talk(address, absolute)).startswith(b"HTTP/1.1 200 ")
        upgrade = GET + b"connection: upgrade, close\r\nupgrade: websocket\r\n\r\n"
        assert (await talk(address, upgrade)).startswith(b"HTTP/1.1 200 ")
    head = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"access-control-allow-origin: " + odd in head


def test_a_log_line_is_one_line_whatever_it_tells() -> None:
    forged = 'a\n2026-01-01 [info] all_is_well "x"\r\x1b[2J'
    program = "import sys, structlog; from cdp import logs; logs.configure('info', 'test'); "
    program += "structlog.get_logger().warning('odd', error=sys.argv[1])"
    command = [sys.executable, "-c", program, forged]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert json.loads(told)["error"] == forged
    assert told.count("\n") == 1
    assert not {"\r", "\x1b"} & set(told)
