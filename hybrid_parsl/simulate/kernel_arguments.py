"""Places in the arrays that Python and the compiled kernels share."""

# What `evaluate` computes.
WANT_ENERGY, WANT_GRADIENT, WANT_STATE = range(3)
# Places in `layout`, an array of integers.
N_QUBITS, LAYERS, MIRRORED, BITS, HIGH, WIDTH_BITS, LEVELS, CHUNK, SAVED, PAD = range(10)
# Columns of `angles`, one row a layer: tan(beta'), how often to rotate by it, gamma in
# quarter turns, the factor to put into the phases, cos(beta'), and what the derivatives
# of sweep k are to be multiplied by: those of layer k, and that of layer k - 1.
TANGENT, REPEATS, RATE, SCALE, COSINE, WEIGHT, WEIGHT_BEFORE = range(7)
ANGLE = 7
# Columns of `sums`, one row a tile or panel.
NORM, ENERGY, BETA, GAMMA, BETA_BEFORE = range(5)
SUM = 5
