"""The pages of the offer, one module for each thing they are about."""
