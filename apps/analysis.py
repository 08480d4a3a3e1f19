"""What the measurement says, with figures."""

from parsl import python_app

from hybrid_parsl import labels
from hybrid_parsl.stages import analysis as stage

analyse = python_app(stage.analyse, executors=[labels.ANALYSIS])
