"""`cdp up`: everything in the foreground, on one machine."""

from __future__ import annotations

import dataclasses
import socket
import urllib.error
import urllib.request

import typer

from cdp.errors import ConfigurationError
from cdp.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def up() -> None:
        """Run everything: servers, API, workers and scheduler, until Ctrl-C."""
        from cdp import instance, logs
        from cdp.services.server import free_port
        from cdp.supervisor import Part, Supervisor

        settings = Settings.from_env()
        if settings.port == 0:
            settings = dataclasses.replace(settings, port=free_port())
        logs.configure(settings.log_level)
        _must_be_free(settings)
        with instance.services(settings) as running:
            environment = running.environment() | {"CDP_PORT": str(settings.port)}
            supervisor = Supervisor(running.servers, environment)
            supervisor.once("migrate")
            keys = instance.read_keys(settings) or {}
            supervisor.parts = [Part("api", ["api"]), Part("scheduler", ["scheduler"])]
            if settings.kafka_url:
                supervisor.parts.append(Part("relay", ["relay"]))
            for number in range(settings.workers):
                supervisor.parts.append(Part(f"worker {number + 1}", ["worker"]))
            supervisor.run(lambda: _greet(settings, keys))
        typer.echo("Stopped.")


def _must_be_free(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            raise ConfigurationError(
                f"port {settings.port} on {settings.host} is in use: set CDP_PORT"
            ) from None


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
    -d '{{"userId": "ada", "event": "Order Completed", "properties": {{"revenue": 51.2}}}}'

Read the profile:

  curl {base}/api/v1/profiles/user_id:ada -H 'authorization: Bearer {keys["api_key"]}'
"""
    )
