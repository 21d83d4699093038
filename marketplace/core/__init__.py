"""What every app stands on: errors, states, jobs, time, money, paging; it knows no app."""
