"""
Run the reference server, or a mutant of it, by name.

usage: run.py NAME serve
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from mutants import answers, surroundings  # noqa: F401 - they register their mutants
from mutants.registry import ENTRIES

if __name__ == "__main__":
    sys.exit(ENTRIES[sys.argv[1]].server().main())
