"""Results by content: the key of a call, and the store that later runs reuse."""
