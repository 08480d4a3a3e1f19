"""A call on disk: the folder of a task, how values are stored in it, and why a task failed."""
