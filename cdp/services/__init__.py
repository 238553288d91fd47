"""Embedded servers: PostgreSQL and Valkey from wheels, started and guarded by us."""
