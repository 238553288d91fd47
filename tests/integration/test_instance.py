"""What an instance makes up by itself, and what it has to be told; and how a process is asked."""

from __future__ import annotations

import http.server
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.health import ask
from cdp.instance import master_keys
from cdp.services.server import free_port
from cdp.settings import Settings


def test_on_a_database_of_its_own_it_makes_a_master_key_and_keeps_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    made = master_keys(settings)
    assert master_keys(settings) == made
    assert (tmp_path / "data" / "master.key").stat().st_mode & 0o077 == 0


def test_beside_a_given_database_none_is_invented(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", database_url="postgresql://cdp@db/cdp")
    with pytest.raises(ConfigurationError, match="CDP_MASTER_KEY is not set"):
        master_keys(settings)
    assert not (tmp_path / "data").exists()


def test_one_that_is_kept_or_told_is_taken(tmp_path: Path) -> None:
    kept = secrets.token_hex(32)
    (tmp_path / "master.key").write_text(kept)
    settings = Settings(data_dir=tmp_path, database_url="postgresql://cdp@db/cdp")
    assert master_keys(settings) == [bytes.fromhex(kept)]
    told = Settings(database_url="postgresql://cdp@db/cdp", master_key="ab" * 32)
    assert master_keys(told) == [bytes.fromhex("ab" * 32)]


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that always answers the same."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"as it is")

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/health"
        finally:
            server.shutdown()
            thread.join()


def test_health_is_what_the_process_says() -> None:
    with answering(200) as url:
        assert ask(url) == (True, "as it is")
    with answering(503) as url:
        assert ask(url) == (False, f"{url} answers 503: as it is")


def test_who_does_not_answer_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("CDP_PORT", str(port))
    well, said = ask()
    assert not well
    assert said.startswith(f"http://127.0.0.1:{port}/health/ready does not answer")
    with pytest.raises(ConfigurationError, match="must begin with http"):
        ask("file:///etc/passwd")
