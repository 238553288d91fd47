"""The platform's core: log, streams, collector, API and the wiring of the domain packages."""

__version__ = "0.1.0"
