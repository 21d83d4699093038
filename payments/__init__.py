"""Money: accounts, entries, reserves, payouts. Knows organisations and users, not tasks."""
