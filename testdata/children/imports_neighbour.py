"""Import module NAME from its working directory (which writes __pycache__ there), then "ready"."""
import importlib
import os
import sys
import time

sys.path.insert(0, os.getcwd())
module = importlib.import_module(sys.argv[1])
print(f"imported {module.__name__}\nready", flush=True)
time.sleep(600)
