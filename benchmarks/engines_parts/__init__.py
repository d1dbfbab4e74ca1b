"""Parts of the speed table of the engines, one file each."""

import sys
from pathlib import Path

# numba asks for a package coverage, and would find the file coverage.py beside this folder
sys.path[:] = [folder for folder in sys.path if folder != str(Path(__file__).parents[1])]
