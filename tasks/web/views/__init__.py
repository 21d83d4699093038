"""The pages of the work: for workers, and for those who asked."""
