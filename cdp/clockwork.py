"""The scheduler's jobs, put together: what `cdp.main` is for the agents."""

from __future__ import annotations

from cdp.assembly import Core
from cdp.evidence.chaining import Chaining
from cdp.evidence.signing import Signer
from cdp.modelling.learning import Learning
from cdp.modelling.scoring import Scoring
from cdp.privacy.erasing import Erasing
from cdp.privacy.exporting import Exporting
from cdp.privacy.model import RECEIPT
from cdp.privacy.suppressing import Suppressing
from cdp.privacy.work import PrivacyWork
from cdp.refreshing import Refreshing
from cdp.retention.expiring import Expiring
from cdp.scheduler.builds import Builder
from cdp.scheduler.jobs import Jobs
from cdp.scheduler.matchwork import MatchWork
from cdp.scheduler.rhythms import Rhythms
from cdp.scheduler.rulework import RuleWork
from cdp.scheduler.scheduling import Scheduling
from cdp.scheduler.syncing import Syncing


def jobs(core: Core) -> Jobs:
    """What happens by the clock."""
    builder = Builder(core.database, core.partitions, core.keyring, core.people.profiles)
    rules = RuleWork(core.database, core.partitions, core.people)
    matching = MatchWork(core.database, core.partitions, core.people)
    chaining = Chaining(core.database, core.vault)
    expiring = Expiring(core.database, core.keyring)
    privacy = _privacy(core)
    return Jobs(
        database=core.database,
        partitions=core.partitions,
        builder=builder,
        rules=rules,
        matching=matching,
        chaining=chaining,
        expiring=expiring,
        privacy=privacy,
        learning=Learning(core.database, core.people),
        scoring=Scoring(core.database, core.partitions, core.people),
        rhythms=Rhythms(core.database, core.people),
        scheduling=Scheduling(core.database, core.partitions, core.people),
        syncing=Syncing(core.database, core.partitions),
        refreshing=Refreshing(core.database, core.partitions, core.people),
    )


def _privacy(core: Core) -> PrivacyWork:
    """What people asked for with all that there is of them."""
    signer = Signer(core.vault.receipt_key(), RECEIPT)
    erase = Erasing(core.database, core.partitions, core.people, signer)
    export = Exporting(core.database, core.people)
    suppress = Suppressing(core.database, signer)
    return PrivacyWork(
        core.database,
        core.vault,
        {"erase": erase, "export": export, "suppress": suppress, "unsuppress": suppress},
    )
