"""Events are kept as long as their source and purpose say; what they decided on consent stays."""
