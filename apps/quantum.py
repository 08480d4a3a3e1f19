"""The circuit at the best parameters, on a simulator or a QPU."""

from parsl import python_app

from hybrid_parsl import labels
from hybrid_parsl.stages import quantum as stage

sample = python_app(stage.sample, executors=[labels.QUANTUM])
sample_bitstrings = python_app(stage.sample_bitstrings, executors=[labels.QUANTUM])
