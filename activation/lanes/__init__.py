"""One lane per destination, so that none of them waits for another."""
