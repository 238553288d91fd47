"""The `cdp` command; heavy parts are imported by the commands that need them."""

from __future__ import annotations

import sys

import typer

from cdp.errors import CdpError

app = typer.Typer(
    name="cdp",
    help="A customer data platform: events in, people and audiences out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Run a command; an error of ours is one line and exit code 2."""
    from cdp.cli import data, data_in, demo, keys, run, up

    for module in (up, run, keys, data, data_in, demo):
        module.register(app)
    try:
        app()
    except CdpError as error:
        print(f"cdp: {error}", file=sys.stderr)
        sys.exit(2)
