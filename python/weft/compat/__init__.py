"""Names of other libraries over Weft's own; nothing of Weft depends on them."""
