"""The `cdp` command; heavy parts are imported by the commands that need them."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, NoReturn

from cdp.errors import CdpError

if TYPE_CHECKING:
    import typer


def main() -> None:
    """Run a command; an error of ours is one line, in a log one of its own, and exit code 2."""
    gc.set_threshold(500_000)  # what is imported stays: looking through it again and again is vain
    try:
        if sys.argv[1:2] == ["health"] and len(sys.argv) <= 3 and "--help" not in sys.argv:
            ask_health(*sys.argv[2:])
        _app()()
    except CdpError as error:
        from cdp import logs

        if not logs.tells_the_end(error):
            print(f"cdp: {error}", file=sys.stderr)
        sys.exit(2)
    finally:
        gc.freeze()  # nor when it ends: what is left goes with the process


def ask_health(url: str = "") -> NoReturn:
    """`cdp health`; from here it starts without the time that all other commands take."""
    from cdp.health import ask

    well, said = ask(url)
    print(said, file=sys.stdout if well else sys.stderr)
    sys.exit(0 if well else 1)


def _app() -> typer.Typer:
    import typer

    from cdp.cli import (
        audit,
        backup,
        consent,
        data,
        data_in,
        demo,
        exporting,
        keys,
        parked,
        privacy,
        run,
        schema,
        status,
        up,
    )

    app = typer.Typer(
        name="cdp",
        help="A customer data platform: events in, people and audiences out.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    for module in (up, run, schema, status, keys, data, parked, data_in, demo, audit, backup):
        module.register(app)
    consent.register(app)
    exporting.register(app)
    privacy.register(app)
    return app
