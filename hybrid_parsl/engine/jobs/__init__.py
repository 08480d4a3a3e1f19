"""PSI/J jobs: submission, tracking, recovery, and one notification of how each ended."""
