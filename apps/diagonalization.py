"""The lowest energy in the space that measured bitstrings span, on MPI ranks."""

from parsl import python_app

from hybrid_parsl import labels
from hybrid_parsl.stages import diagonalization as stage

diagonalize = python_app(stage.diagonalize, executors=[labels.MPI])
