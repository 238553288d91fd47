"""`python -m cdp` is the `cdp` command."""

from cdp.cli import main

main()
