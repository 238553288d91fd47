"""Privacy requests: what is to be done with all that there is of somebody, and its receipt."""
