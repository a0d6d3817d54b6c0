#!/usr/bin/env python3
"""run.py TOOLS FOLDER FORMAT [ONLY] [-v]: damages files of a format in every way that damage_FORMAT.py lists (those whose name
contains ONLY), in FOLDER/FORMAT, and checks that the tools in TOOLS refuse them well (harness.py)."""
import importlib
import os
import sys

import harness

tools, folder, name, *only = [argument for argument in sys.argv[1:] if argument != '-v']
list_cases = importlib.import_module('damage_' + name).cases
sys.exit(harness.run_all(list_cases, tools, os.path.join(folder, name), *only[:1], verbose='-v' in sys.argv) != 0)
