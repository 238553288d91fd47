"""Visitors who come at the same time share a question; a lost connection costs those who waited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from cdp.db import named
from cdp.errors import StoreUnavailable
from cdp.events import Identifier, SubjectId
from cdp.personalizing.questions import Questions
from tests.conftest import Api

_END = named(
    """
    select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and query ~ 'from unnest' and pid <> pg_backend_pid()
    """
)
PEOPLE = 30


@pytest.fixture
async def questions(api: Api) -> AsyncIterator[Questions]:
    said = [{"type": "identify", "userId": f"p{n}"} for n in range(PEOPLE)]
    await api.send("/v1/batch", {"batch": said})
    await api.settle()
    made = Questions(api.instance.core.database)
    yield made
    await made.close()


def subject(api: Api, number: int) -> SubjectId:
    return api.instance.core.vault.subject(*Identifier("user_id", f"p{number}"))


async def test_each_hears_of_their_own(api: Api, questions: Questions) -> None:
    ids = [subject(api, number) for number in range(PEOPLE + 5)]  # the last five are nobody's
    answers = await asyncio.gather(*(questions.who({each: -1}) for each in ids))
    told = {each: answer.get(each) for each, answer in zip(ids, answers, strict=True)}
    assert [told[each] is not None for each in ids] == [True] * PEOPLE + [False] * 5
    assert len({each.profile for each in told.values() if each is not None}) == PEOPLE
    assert len({id(answer) for answer in answers}) < 5  # many in one


async def test_of_a_version_that_is_known_nothing_is_told_again(
    api: Api, questions: Questions
) -> None:
    one, other = subject(api, 1), subject(api, 2)
    found = (await questions.who({one: -1}))[one]
    assert found.nodes == [one]
    asked = questions.who({one: found.version}), questions.who({other: -1})
    again, beside = await asyncio.gather(*asked)
    assert (again[one].version, again[one].nodes) == (found.version, None)
    assert beside[other].nodes == [other]
    await questions.who({one: -1})
    both = await asyncio.gather(questions.who({one: found.version}), questions.who({one: -1}))
    assert both[1][one].nodes == [one]


async def test_whoever_goes_away_leaves_the_others_their_answer(
    api: Api, questions: Questions
) -> None:
    one = subject(api, 1)
    waiting = [asyncio.create_task(questions.who({one: -1})) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(found[1], asyncio.CancelledError)
    assert all(isinstance(each, dict) and one in each for each in (found[0], found[2]))


async def test_a_connection_that_is_lost_is_made_again(api: Api, questions: Questions) -> None:
    one = subject(api, 1)
    assert await questions.who({one: -1})
    await api.instance.core.database.rows(_END)
    with pytest.raises(StoreUnavailable):
        await questions.who({one: -1})
    assert await questions.who({one: -1})
