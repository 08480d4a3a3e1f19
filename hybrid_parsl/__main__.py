"""``python -m hybrid_parsl`` is ``hybrid-parsl``."""

from hybrid_parsl.cli.main import main

if __name__ == "__main__":
    main()
