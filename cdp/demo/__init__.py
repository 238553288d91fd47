"""A synthetic shop's half year, played through the whole system; NOTICE says where it is from."""
