"""People who work: who they are, what they have shown they can do. People, never processes."""
