"""Schema migrations, run by `cdp migrate` under a lock."""
