"""Instance files: graphs and QUBOs in the formats in which the field publishes them."""
