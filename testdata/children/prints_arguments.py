"""Print arguments, working directory, script and interpreter as one line of JSON, then "ready"."""
import json
import os
import sys
import time

facts = {"args": sys.argv[1:], "cwd": os.getcwd(), "script": sys.argv[0], "executable": sys.executable}
print(json.dumps(facts | {"prefix": sys.prefix}))
print("ready", flush=True)
time.sleep(600)
