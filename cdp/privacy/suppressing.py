"""Puts a person's identifiers on the suppression list, or takes them off it again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cdp import times
from cdp.db import Connection, Database
from cdp.events import SubjectId
from cdp.evidence.signing import Signer
from cdp.privacy import model, person, store
from cdp.privacy.model import Request
from cdp.suppression import store as suppressions
from cdp.times import iso


@dataclass(frozen=True, slots=True)
class Suppressing:
    """Does a request in one step; returns it as it is then."""

    database: Database
    signer: Signer

    async def __call__(self, request: Request) -> Request:
        """The one that was named counted at once: see `asking`. Here it becomes the person."""
        async with self.database.transaction() as connection:
            subjects = await person.whole(connection, request.subject)
            if request.kind == "unsuppress":
                subjects = sorted(await self._listed_with(connection, subjects))
                changed = await suppressions.unsuppress(connection, subjects)
            else:
                changed = await suppressions.suppress(connection, subjects)
            now = times.now()
            shown = {"at": iso(now), "events": 0, "keys_destroyed": 0}
            shown["rows"] = {"suppressions": changed}
            request = request._replace(
                people=subjects, result={"shown": shown}, status="done", done_at=now
            )
            receipt = self.signer.sign(model.receipt(request, now, []))
            request = request._replace(receipt=receipt)
            await store.put(connection, request)
        return request

    async def _listed_with(
        self, connection: Connection, subjects: Collection[SubjectId]
    ) -> set[SubjectId]:
        """Also what was put there together with one of these: an erasure has parted them since."""
        together = await store.suppressed_with(connection, subjects)
        return {*subjects, *together}
