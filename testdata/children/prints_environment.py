"""Print its whole environment as one line of JSON, then "ready"."""
import json
import os
import time

print(json.dumps(dict(os.environ)))
print("ready", flush=True)
time.sleep(600)
