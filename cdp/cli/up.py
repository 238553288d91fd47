"""`cdp up`: everything in the foreground, on one machine."""

from __future__ import annotations

import dataclasses
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import typer

from cdp.errors import ConfigurationError
from cdp.settings import Settings

if TYPE_CHECKING:
    from cdp.supervisor import Part


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def up() -> None:
        """Run everything: servers, API, workers and scheduler, until Ctrl-C."""
        from cdp import instance, logs, telemetry
        from cdp.services.server import free_port
        from cdp.supervisor import Supervisor

        settings = Settings.from_env()
        if settings.port == 0:
            settings = dataclasses.replace(settings, port=free_port())
        logs.configure(settings.log_level, "up")
        _must_be_free(settings.host, settings.port, "CDP_PORT")
        parts = _parts(settings)
        for part in parts:
            if port := part.environment.get("CDP_METRICS_PORT"):
                _must_be_free(settings.host, int(port), "CDP_METRICS_PORT")
        if settings.traces:
            telemetry.must_be_installed()
        instance.master_keys(settings)  # the parts are to find one
        with instance.services(settings) as running:
            environment = running.environment() | {"CDP_PORT": str(settings.port)}
            supervisor = Supervisor(running.servers, environment)
            supervisor.once("migrate", "--first-keys")
            keys = instance.read_keys(settings) or {}
            supervisor.parts = parts
            supervisor.run(lambda: _greet(settings, keys))
        typer.echo("Stopped.")


def _parts(settings: Settings) -> list[Part]:
    """What to run; each process' metrics are on a port of its own, one after another."""
    from cdp.supervisor import Part

    parts = [Part(f"api {number + 1}", ["api"]) for number in range(settings.apis)]
    parts.append(Part("scheduler", ["scheduler"]))
    if settings.kafka_url:
        parts.append(Part("relay", ["relay"]))
    parts += [Part(f"worker {number + 1}", ["worker"]) for number in range(settings.workers)]
    if settings.metrics_port:
        for number, part in enumerate(parts):
            part.environment["CDP_METRICS_PORT"] = str(settings.metrics_port + number)
    return parts


def _must_be_free(host: str, port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise ConfigurationError(f"port {port} on {host} is in use: set {setting}") from None


def _greet(settings: Settings, keys: dict[str, str]) -> None:
    """Print where everything is, once the API answers; ConnectionError until then."""
    base = settings.base_url
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{base}/health/ready", timeout=2):
            pass
    except (urllib.error.URLError, TimeoutError) as error:
        raise ConnectionError from error
    typer.echo(
        f"""
The platform is up. Ctrl-C stops it.

  API and collector   {base}
  documentation       {base}/docs
  write key           {keys["write_key"]}
  API key             {keys["api_key"]}

Send an event:

  curl {base}/v1/track -u {keys["write_key"]}: -H 'content-type: application/json' \\
    -d '{{"userId": "ada", "event": "Order Completed", "properties": {{"revenue": 51.2}},
        "context": {{"consent": {{"categoryPreferences": {{"analytics": true}}}}}}}}'

Read the profile:

  curl {base}/api/v1/profiles/user_id:ada -H 'authorization: Bearer {keys["api_key"]}'
"""
    )
