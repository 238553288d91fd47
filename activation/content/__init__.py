"""What web pages show: content with variants, and which of it somebody sees in a slot."""
