"""The work: microtasks, who leased and answered them, and what the answers come to. Never background jobs."""
