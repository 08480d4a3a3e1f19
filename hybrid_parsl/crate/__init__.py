"""A run as RO-Crate: its metadata, its export as a zip, and its repetition."""
