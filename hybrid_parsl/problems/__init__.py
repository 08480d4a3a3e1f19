"""Problems: a cost over bitstrings, and the circuit whose angles are searched."""
