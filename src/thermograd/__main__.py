"""`python -m thermograd`, the same as `thermograd`."""

import sys

from thermograd.cli import main

if __name__ == "__main__":
    sys.exit(main())
