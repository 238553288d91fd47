"""Kafka carries the topics: the relay publishes to it, the agents read from it."""
