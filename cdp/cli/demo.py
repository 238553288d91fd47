"""`cdp demo`: the whole system at work on a shop's half year, told as it happens."""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from cdp.demo.platform import Home
    from cdp.demo.run import Demo, People, Sent, Size

_WIDTH = 110  # columns, without a terminal


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def demo(
        *,
        keep: Annotated[
            bool, typer.Option("--keep", help="Leave the platform up until Ctrl-C.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    ) -> None:
        """Play a shop's half year through the whole system, and tell what came of it.

        It has a data directory of its own, .cdp/demo, unless CDP_DATA_DIR names another; a platform
        that runs there is used, else one is started, and stopped at the end.
        """
        from rich.console import Console

        out = Console(stderr=as_json, highlight=False)
        if not out.is_terminal:
            out.width = _WIDTH
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with ExitStack() as stack:
                stage = _enter(stack, out)
                found = _run(stage, out)
                _look_further(stage.home, found["somebody"], out, keep=keep)
                if as_json:
                    typer.echo(json.dumps(found))
                if keep:
                    signal.pause()
        except KeyboardInterrupt:
            out.print("\nStopped.")


def _enter(stack: ExitStack, out: Console) -> Demo:
    from cdp.demo import platform, story
    from cdp.demo.client import Client
    from cdp.demo.receiver import Receiver
    from cdp.demo.run import Demo

    settings = platform.own(Settings.from_env())
    out.print(f"[bold]cdp demo[/bold]: {story.ABOUT}\n")
    started = time.monotonic()
    with out.status("Starting PostgreSQL, Valkey, API, worker and scheduler …"):
        home = stack.enter_context(platform.running(settings))
    seconds = time.monotonic() - started
    how = f"up in {seconds:.1f} s" if home.started else "was up already, and stores nothing twice"
    _step(out, "Platform", f"{how}, data in {settings.data_dir}")
    client = stack.enter_context(closing(Client(home.url, home.write_key, home.api_key)))
    return Demo(home, client, stack.enter_context(Receiver()))


def _run(stage: Demo, out: Console) -> dict[str, Any]:
    from cdp.demo.run import summary

    _play(stage, out)
    started = time.monotonic()
    with out.status("Defining more segments, over all of history …"):
        late = stage.define_after()
        seconds = time.monotonic() - started
        people, sizes, sent = stage.people(), stage.sizes(), stage.sent()
    _tell_people(people, out)
    told = f"{late} of them defined after the events, over all of history, in {seconds:.1f} s"
    _step(out, "Segments", told)
    _tell_segments(sizes, out)
    _tell_deliveries(sent, out)
    person = stage.somebody()
    _tell_person(person, out)
    with out.status("Waiting for the webhook …"):
        reaction = stage.react(person)
    milliseconds = round(reaction.seconds * 1000)
    told = f"{reaction.user} orders, and {milliseconds} ms later the webhook says so, signed"
    _step(out, "And now", told)
    live = {"somebody": reaction.user, "reaction_ms": milliseconds}
    return summary(people, sizes, sent) | live


def _play(stage: Demo, out: Console) -> None:
    from cdp.cli.playing import Playing

    with out.status("Defining the first segments …"):
        stage.define_first()
    with Playing(out, "Playing the shop's events") as playing:
        tally = stage.play(playing.ears)
    rate = f"{tally.sent / playing.seconds:,.0f}/s from request to profile"
    _step(out, "Events", f"{tally.lines:,} rows, {tally.sent:,} calls, {rate}")


def _tell_people(people: People, out: Console) -> None:
    anonymous = people.people - people.known
    _step(out, "People", f"{people.sessions:,} sessions became {people.people:,} people")
    table = _table()
    table.add_row(
        f"{people.known:,}", f"are known: they signed in, in {people.known_sessions:,} sessions"
    )
    table.add_row(f"{people.merged:,}", f"of them in several, up to {people.most} of one person")
    table.add_row(f"{anonymous:,}", "never signed in: each of their sessions stays a stranger")
    _indented(table, out)


def _tell_segments(sizes: list[Size], out: Console) -> None:
    table = _table()
    for size in sizes:
        table.add_row(
            f"{size.people:,}",
            f"[dim]{size.known:,} known[/dim]",
            size.key,
            f"[dim]{size.name}[/dim]",
        )
    _indented(table, out)


def _tell_deliveries(sent: list[Sent], out: Console) -> None:
    _step(out, "Deliveries", "to a receiver that checks every signature")
    table = _table()
    for each in sent:
        states = ", ".join(f"{count:,} {state}" for state, count in sorted(each.states.items()))
        if "refused" in each.states:
            states += f"; nobody has agreed to {each.purpose}"
        elif each.received:
            states += f"; {each.verified:,} of {each.received:,} received are signed rightly"
        table.add_row(each.destination, states)
    _indented(table, out)


def _tell_person(person: dict[str, Any], out: Console) -> None:
    identifiers = person["identifiers"]
    sessions = identifiers["anonymous_id"]
    _step(
        out, "Somebody", f"{identifiers['user_id'][0]}, put together from {len(sessions)} sessions"
    )
    table = _table()
    traits = ", ".join(f"{name} {value}" for name, value in person["traits"].items())
    events = sorted(person["events"].items(), key=lambda item: (-item[1], item[0]))
    told = ", ".join(f"{name} {count}" for name, count in events[:6])
    table.add_row("sessions", " ".join(sessions))
    table.add_row("traits", traits)
    table.add_row("events", f"{told} …" if len(events) > 6 else told)
    table.add_row("segments", " ".join(each for each in person["segments"] if each != "everyone"))
    _indented(table, out)


def _look_further(home: Home, person: str, out: Console, *, keep: bool) -> None:
    from cdp.demo import story

    if not keep:
        out.print("\nTo look around in what you saw: [bold]cdp demo --keep[/bold]")
        out.print("To begin with your own events: [bold]cdp up[/bold]")
        return
    bearer = f"-H 'authorization: Bearer {home.api_key}'"
    out.print(
        f"\nThe platform stays up; Ctrl-C stops it. Its API is described at {home.url}/docs\n"
    )
    for path in (f"segments/{story.CARTS}/members", f"profiles/user_id:{person}", "deliveries"):
        out.print(f"  curl {home.url}/api/v1/{path} {bearer}", soft_wrap=True, markup=False)


def _step(out: Console, title: str, told: str) -> None:
    out.print(f"[bold cyan]{title:<11}[/bold cyan] {told}")


def _indented(table: Table, out: Console) -> None:
    from rich.padding import Padding

    out.print(Padding.indent(table, 12))


def _table() -> Table:
    from rich.table import Table

    return Table(show_header=False, box=None, padding=(0, 2, 0, 0), pad_edge=False)
