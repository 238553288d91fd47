"""E-mail: how a message is written down, signed and handed over."""
