"""The parameter search, on MPI ranks."""

from parsl import python_app

from hybrid_parsl import labels
from hybrid_parsl.stages import search as stage

search = python_app(stage.search, executors=[labels.MPI])
