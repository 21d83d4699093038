"""Everything that moves money, in random order, against a small model of it in memory."""
