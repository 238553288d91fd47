"""Events that already exist: files of calls or rows, played through the collector's front door."""
