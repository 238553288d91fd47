"""What is known of a person: fragments, the unified profile, segments and memberships."""
