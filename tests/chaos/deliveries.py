"""`kill -9` of workers while they send: all of it arrives, and the ledger agrees line by line."""

from __future__ import annotations

from tests.chaos.checker import Finding
from tests.chaos.scenario import Report, Stage
from tests.support.mown import mown
from tests.support.platform import running
from tests.support.receiver import receiving

PEOPLE, KILLS = 20_000, 50


async def deliveries(stage: Stage) -> Report:
    """20,000 deliveries and 50 kills."""
    stage.home.mkdir()
    with running(stage.home) as platform:
        async with receiving() as receiver:
            found = await mown(platform, receiver, PEOPLE, KILLS, stage.dice)
    unsent = {each for each, state in found.ledger.items() if state != "sent"}
    lost, unknown = found.ledger.keys() - found.received, found.received.keys() - found.ledger
    findings = [
        Finding("every delivery is sent", f"{len(unsent)} are not" if unsent else ""),
        Finding("every delivery arrived", f"{len(lost)} did not" if lost else ""),
        Finding("nothing arrived that is not in the ledger", f"{len(unknown)}" if unknown else ""),
    ]
    again = f"{found.kills} kills; {found.twice} requests came again under a key known before"
    return Report(findings, [again])
