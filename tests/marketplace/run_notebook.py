"""
Run the code cells of a notebook from top to bottom, in one fresh process: `run_notebook.py NOTEBOOK`.

nbclient would start a kernel, for which it brings ipykernel, pyzmq, tornado and some twenty packages more. What counts
here is whether the cells work in their order, and a cell that needs IPython is a fault in a notebook for everybody.
"""

import json
import os
import sys
from pathlib import Path

notebook = Path(sys.argv[1]).resolve()
os.chdir(notebook.parent)  # as Jupyter does
namespace = {"__name__": "__main__"}
for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"], 1):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), namespace)
