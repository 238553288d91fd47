"""What is learned from people, as pure statistics: features, clusters, and who is in which."""
