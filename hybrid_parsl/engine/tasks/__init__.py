"""A call of a workflow: what it asks for, and the folder that holds it."""
