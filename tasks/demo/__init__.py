"""A simulated crowd that does a whole job over HTTP, and recorded crowds replayed the same way; what it promises the
site must keep towards real people."""
