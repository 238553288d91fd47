"""`make chaos`, or `python -m tests.chaos [--seed N] [--report FILE] [SCENARIO …]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.chaos.cache import cache
from tests.chaos.clocks import clocks
from tests.chaos.deliveries import deliveries
from tests.chaos.disk import disk
from tests.chaos.hot import hot
from tests.chaos.kills import kills
from tests.chaos.overload import overload
from tests.chaos.partition import partition
from tests.chaos.poison import poison
from tests.chaos.scenario import Report, Scenario, Stage
from tests.chaos.standstill import standstill, standstill_on_kafka

SCENARIOS: dict[str, tuple[Scenario, int]] = {
    "kills": (kills, 900),
    "standstill": (standstill, 400),
    "standstill-kafka": (standstill_on_kafka, 400),
    "partition": (partition, 400),
    "clocks": (clocks, 300),
    "cache": (cache, 300),
    "disk": (disk, 300),
    "overload": (overload, 600),
    "hot": (hot, 300),
    "poison": (poison, 300),
    "deliveries": (deliveries, 900),
}


def main() -> int:
    """Run scenarios one after another, each within its bound; 1 if any of them finds something."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=" ".join(SCENARIOS))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--report", type=Path, help="write what was found as JSON")
    asked = parser.parse_args()
    unknown = set(asked.scenarios) - SCENARIOS.keys()
    if unknown:
        parser.error(
            f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}"
        )
    print(f"seed {asked.seed}", flush=True)
    reports = {name: _run(name, asked.seed) for name in asked.scenarios or SCENARIOS}
    if asked.report:
        asked.report.write_text(json.dumps(reports, indent=1))
    failed = [name for name, report in reports.items() if report["state"] == "FAILED"]
    print(f"\n{len(reports)} scenarios, {len(failed)} failed {' '.join(failed)}")
    return 1 if failed else 0


def _run(name: str, seed: int) -> dict[str, object]:
    scenario, bound = SCENARIOS[name]
    home = Path(tempfile.mkdtemp(prefix=f"cdp-chaos-{name}-"))
    print(f"\n{name}: {(scenario.__doc__ or '').strip().splitlines()[0]}", flush=True)
    started = time.monotonic()
    stage = Stage(home / "world", random.Random(f"{seed} {name}"))
    try:
        report = asyncio.run(_within(scenario, stage, bound))
        state = "FAILED" if any(finding.problem for finding in report.findings) else "held"
    except pytest.skip.Exception as reason:
        report, state = Report([], [str(reason)]), "skipped"
        print(f"    skipped: {reason}")
    except (AssertionError, TimeoutError) as error:
        report, state = Report([], [f"{type(error).__name__}: {error}"]), "FAILED"
        print(f"    {type(error).__name__}: {error}")
    for finding in report.findings:
        print(f"    {'FAILED' if finding.problem else 'ok':6}  {finding.what}  {finding.problem}")
    seconds = time.monotonic() - started
    print(f"  {state} in {seconds:.0f} s", flush=True)
    if state == "FAILED":
        print(f"  what it left is in {home}")
    else:
        shutil.rmtree(home, ignore_errors=True)
    found = [finding._asdict() for finding in report.findings]
    return {"state": state, "seconds": round(seconds), "notes": list(report.notes), "found": found}


async def _within(scenario: Scenario, stage: Stage, bound: int) -> Report:
    async with asyncio.timeout(bound):
        return await scenario(stage)


sys.exit(main())
