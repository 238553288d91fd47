"""What people write to have a destination brought to how things are."""

from __future__ import annotations

from cdp.forms import Flag, Form


class SyncSchema(Form):
    """How much it is told."""

    full = Flag(
        load_default=False,
        metadata={
            "description": "everybody again, with new ids, and not only of whom it does not know"
        },
    )
