"""The figures, by `make bench`: each beside its floor, measured in the same run."""
