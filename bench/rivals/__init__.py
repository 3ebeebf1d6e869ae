"""Other projects on the same work, each in an environment of its own that the script makes."""
