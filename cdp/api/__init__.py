"""The management API: profiles, segments, consent, destinations, quarantine, health."""
