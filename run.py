"""Runs an experiment of this project: ``python run.py --site k8s``."""

import sys
from pathlib import Path

from hybrid_parsl.cli.main import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]], project=Path(__file__).parent)
