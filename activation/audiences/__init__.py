"""Who is in which audience, as it is told to files, tables and other platforms."""
