"""The preference centre: links that open it, pages people decide on, and decisions as facts."""
