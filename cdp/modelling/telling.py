"""What a model says of one person now, and what that rests on; told when somebody asks."""

from __future__ import annotations

from typing import Any, NamedTuple

from cdp.db import Connection
from cdp.errors import Conflict
from cdp.events import ProfileId
from cdp.modelling.gathering import Gathering
from cdp.modelling.learning import last
from cdp.people import People
from profiles.learning import protocol
from profiles.learning.fitting import MISSING
from profiles.models.store import Model


class Told(NamedTuple):
    """A value, None where there is nothing to say; `reasons` are JSON, what weighs most first."""

    value: Any
    reasons: list[dict[str, Any]]


async def told(
    connection: Connection, people: People, model: Model, profile: ProfileId
) -> Told | None:
    """None if a model knows nothing of them, or has not learned since it was changed."""
    fitted = await last(people.keyring.vault, connection, model)
    seen = (await Gathering(people).seen(connection, [profile])).get(profile)
    if seen is None or fitted is None or fitted.definition != model.active:
        return None
    found = Gathering.observer(model)(seen)
    if found is None:
        return None
    try:
        (value,) = protocol.score(model.kind, fitted.parameters, [found])
        return Told(value, protocol.explain(model.kind, fitted.parameters, found))
    except ModuleNotFoundError as error:
        raise Conflict(MISSING) from error
