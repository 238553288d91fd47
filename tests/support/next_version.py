"""The platform's next version as a test has it: two more migrations, and code that needs the first.

`python -m tests.support.next_version worker` is its `cdp worker`.
"""

from __future__ import annotations

from pathlib import Path

from cdp import schema

NEXT = Path(__file__).parent.parent / "data" / "next"


def become() -> None:
    """Before anything else of the platform is imported."""
    schema.VERSIONS = (*schema.VERSIONS, NEXT)
    from cdp.db import named
    from profiles import store

    store._PUT_PROFILES = named(
        """
        insert into profiles (id, version, due, seen_by)
        select id, :version, due, 'next'
          from unnest(cast(:ids as bytea[]), cast(:dues as bigint[])) u(id, due)
        on conflict (id) do update
           set version = excluded.version, due = excluded.due, seen_by = excluded.seen_by
        """
    )


if __name__ == "__main__":
    become()
    from cdp.cli import main

    main()
