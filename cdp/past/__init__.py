"""Any moment of the past: profiles from the log, memberships from the ledger, timelines, diffs."""
