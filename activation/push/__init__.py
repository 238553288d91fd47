"""Push messages: how they are sealed for a browser, who may send them, and where they go."""
