"""Segments on real data against the same questions asked of DuckDB: each person, at five times.

A year of a grocer's households (Complete Journey); half a year of a shop's sessions (synthetic).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import duckdb
import pytest

from cdp.events import SCHEMA, Event
from cdp.times import from_datetime
from profiles import fragment
from profiles.facts import Facts
from profiles.fragment import Fragment
from profiles.language.conditions import counters
from profiles.language.evaluating import evaluate
from profiles.language.parsing import parse
from profiles.language.text.reading import tree
from tests.support.data import public

GROCER = {
    "sum(sales_value of 'Bought', 90d) > 20": """
        select who from did where ts > $now - interval 90 day group by who
        having sum(sales_value) > 20""",
    "days('Bought', 30d) >= 3": """
        select who from did where ts > $now - interval 30 day group by who
        having count(distinct cast(ts as date)) >= 3""",
    "distinct(department of 'Bought' where sales_value > 1) >= 4": """
        select who from did where sales_value > 1 group by who
        having count(distinct department) >= 4""",
    "trait.age in ('35-44', '45-54') and count('Bought' where department = 'PRODUCE', this month)"
    " >= 1": """
        select who from did where department = 'PRODUCE'
           and date_trunc('month', ts) = date_trunc('month', $now)
           and age in ('35-44', '45-54') group by who""",
    "since_last('Bought') >= 45d": """
        select who from did group by who having max(ts) <= $now - interval 45 day""",
    "count('Bought', 120d, same product_id) >= 2": """
        select distinct who from (select who from did where ts > $now - interval 120 day
         group by who, product_id having count(*) >= 2)""",
    "average(sales_value of 'Bought') >= 3.5 and not max(sales_value of 'Bought' where"
    " department = 'GROCERY' or department = 'MEAT', last quarter) < 5": """
        select who from did group by who having avg(sales_value) >= 3.5
           and coalesce(max(sales_value) filter (department in ('GROCERY', 'MEAT')
               and date_trunc('quarter', ts)
                 = date_trunc('quarter', date_trunc('quarter', $now) - interval 1 day)), 5) >= 5""",
}
SHOP = {
    "sequence('add_to_cart' then no 'purchase' for 2h, 30d) >= 2": """
        select who from (select distinct c.who, c.ts from did c where event = 'add_to_cart'
           and ts + interval 2 hour <= $now and ts + interval 2 hour > $now - interval 30 day
           and not exists (select 1 from did p where p.who = c.who and p.event = 'purchase'
                              and p.ts between c.ts and c.ts + interval 2 hour)
           and not exists (select 1 from did n where n.who = c.who and n.event = 'add_to_cart'
                              and n.ts > c.ts and n.ts < c.ts + interval 2 hour))
         group by who having count(*) >= 2""",
    "sequence('promo_page' then 'add_to_cart' within 30m without 'home', 60d) >= 2": """
        with runs as (
          select distinct a.who, a.ts as begun, b.ts as done from did a join did b using (who)
           where a.event = 'promo_page' and b.event = 'add_to_cart'
             and b.ts between a.ts and a.ts + interval 30 minute
             and not exists (select 1 from did h where h.who = a.who and h.event = 'home'
                                and h.ts between a.ts and b.ts))
        select who from runs r where done > $now - interval 60 day and not exists (
          select 1 from runs i where i.who = r.who and i.begun >= r.begun and i.done <= r.done
             and (i.begun, i.done) <> (r.begun, r.done))
         group by who having count(*) >= 2""",
    "first(channel of 'home') = 'paid_search' or count('purchase', yesterday) >= 1"
    " or first(channel of 'home') in ('email', 'social') and count('purchase', 14d) >= 2": """
        select who from did group by who having
          min_by(channel, ts) filter (event = 'home') = 'paid_search'
          or count(*) filter (event = 'purchase'
              and cast(ts as date) = cast($now as date) - 1) >= 1
          or (min_by(channel, ts) filter (event = 'home') in ('email', 'social')
              and count(*) filter (event = 'purchase' and ts > $now - interval 14 day) >= 2)""",
}


class Lived(NamedTuple):
    """Who did what when, in order, and who they are."""

    did: list[tuple[str, datetime, str, dict[str, Any]]]
    traits: dict[str, dict[str, Any]]
    database: duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def grocer() -> Iterator[Lived]:
    named = {
        name: public(f"clickstream/cj_{name}.csv.gz")
        for name in ("transactions_sample", "products", "demographics")
    }
    with duckdb.connect() as database:
        database.execute(
            f"""
            create table everything as
            select cast(household_id as text) as who, 'Bought' as event,
                   transaction_timestamp as ts, cast(product_id as text) as product_id,
                   department, cast(sales_value as decimal(12, 2)) as sales_value, age
              from read_csv('{named["transactions_sample"]}') t
              left join read_csv('{named["products"]}') p using (product_id)
              left join read_csv('{named["demographics"]}') d using (household_id)"""
        )
        rows = database.execute(
            "select who, ts, event, product_id, department, sales_value, age from everything"
            " order by ts, who, product_id"
        ).fetchall()
        traits = {row[0]: {"age": row[6]} for row in rows if row[6] is not None}
        names = ("product_id", "department", "sales_value")
        did = [
            (who, at, event, dict(zip(names, (product, department, float(value)), strict=True)))
            for who, at, event, product, department, value, _ in rows
        ]
        yield Lived(did, traits, database)


@pytest.fixture(scope="module")
def shop() -> Iterator[Lived]:
    file = public("clickstream/retentioneering_ecom_synthetic.csv.gz")
    with duckdb.connect() as database:
        database.execute(
            f"""
            create table everything as
            select user_id as who, event, timestamp as ts, acquisition_channel as channel
              from read_csv('{file}')"""
        )
        rows = database.execute(
            "select who, ts, event, channel from everything order by ts, who"
        ).fetchall()
        yield Lived([(w, at, e, {"channel": c}) for w, at, e, c in rows], {}, database)


class Folded:
    """What they did so far, folded once."""

    def __init__(self, lived: Lived, lines: list[str]) -> None:
        self.conditions = {line: parse(tree(line)) for line in lines}
        needed = dict.fromkeys(c for each in self.conditions.values() for c in counters(each))
        self.kept = fragment.counting(enumerate(needed))
        self.numbers = {counter.key: str(number) for number, counter in enumerate(needed)}
        self.lived, self.done = lived, 0
        self.people: dict[str, Fragment] = {}

    def until(self, now: datetime) -> None:
        """Fold everything up to a time."""
        did = self.lived.did
        while self.done < len(did) and did[self.done][1] <= now:
            who, at, name, properties = did[self.done]
            mark = self.done.to_bytes(7) + bytes(9)
            event = happened("track", mark, instant_of(at), name=name, properties=properties)
            fragment.fold(self._of(who), event, [], self.kept)
            self.done += 1

    def _of(self, who: str) -> Fragment:
        if who not in self.people:
            traits = self.lived.traits.get(who, {})
            self.people[who] = fragment.empty()
            told = happened("identify", bytes(16), 0, traits=traits)
            fragment.fold(self.people[who], told, [], self.kept)
        return self.people[who]

    def members(self, now: datetime) -> dict[str, set[str]]:
        """Who is in each segment, by our own evaluation."""
        instant, found = instant_of(now), {line: set[str]() for line in self.conditions}
        for who, each in self.people.items():
            facts = Facts([each], self.numbers)
            for line, condition in self.conditions.items():
                if evaluate(condition, facts, instant).holds:
                    found[line].add(who)
        return found


def happened(kind: Any, event: bytes, at: int, **fields: Any) -> Event:
    return Event(SCHEMA, kind, event, 1, "", at, at, **fields)


def instant_of(moment: datetime) -> int:
    return from_datetime(moment.replace(tzinfo=UTC))


def compared(lived: Lived, questions: dict[str, str]) -> dict[str, list[int]]:
    """The sizes of each segment at five times, after every member was compared."""
    first, last = lived.did[0][1], lived.did[-1][1]
    folded = Folded(lived, list(questions))
    sizes: dict[str, list[int]] = {line: [] for line in questions}
    for fifth in range(1, 6):
        now = (first + (last - first) * fifth / 5).replace(microsecond=0) + timedelta(seconds=1)
        lived.database.execute(
            f"create or replace view did as select * from everything where ts <= timestamp '{now}'"
        )
        folded.until(now)
        ours = folded.members(now)
        for line, question in questions.items():
            asked = lived.database.execute(question, {"now": now} if "$now" in question else None)
            theirs = {row[0] for row in asked.fetchall()}
            assert ours[line] == theirs, (line, now, sorted(ours[line] ^ theirs)[:5])
            sizes[line].append(len(theirs))
    return sizes


def test_a_grocers_year(grocer: Lived) -> None:
    sizes = compared(grocer, GROCER)
    everybody = len({who for who, *_ in grocer.did})
    assert all(0 < max(each) < everybody for each in sizes.values()), sizes


def test_half_a_year_of_a_shop(shop: Lived) -> None:
    sizes = compared(shop, SHOP)
    everybody = len({who for who, *_ in shop.did})
    assert all(0 < max(each) < everybody for each in sizes.values()), sizes
