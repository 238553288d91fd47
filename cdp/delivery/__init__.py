"""What the core gives to each delivery: consent's word, bars, links, facts; and its sending."""
