"""Default purposes know consent strings too, where nobody has changed what signals them."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
PHASE = "expand"

UPDATE = sa.text(
    "update purposes set signals = signals || cast(:more as text[])"
    " where key = :key and signals = cast(:was as text[])"
)
TCF_ADS = ["tcf_1", "tcf_2", "tcf_3", "tcf_4", "tcf_7"]
US = ["us_sale", "us_sharing", "us_targeted_advertising"]
CHANGES = {
    "necessary": (["strictly_necessary", "c0001"], ["security_storage"]),
    "analytics": (
        ["performance", "statistics", "analytics_storage", "c0002"],
        ["tcf_1", "tcf_8", "tcf_9"],
    ),
    "personalization": (
        ["functional", "preferences", "personalization_storage", "c0003"],
        ["functionality_storage", "tcf_1", "tcf_5", "tcf_6"],
    ),
    "sale_or_share": (
        ["advertising", "marketing", "targeting", "ad_storage", "c0004", "gpc"],
        ["ad_user_data", "ad_personalization", *US, *TCF_ADS],
    ),
    "profiling": ([], ["tcf_1", "tcf_3", "tcf_4", "tcf_5", "tcf_6"]),
}


def upgrade() -> None:
    """Once: whoever takes a signal out again is not overruled at the next start."""
    for key, (was, more) in CHANGES.items():
        op.execute(UPDATE.bindparams(key=key, was=was, more=more))


def downgrade() -> None:
    """Older versions take no notice of signals that nothing says."""
