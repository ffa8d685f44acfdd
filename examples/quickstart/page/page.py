"""Edit the greeting while this runs and save the file: the process is restarted with the new one."""
from __future__ import annotations

import time

GREETING = "Hello from page.py"

print(f"{GREETING} (edit me: examples/quickstart/page/page.py)", flush=True)
while True:
    time.sleep(10)
    print(GREETING, flush=True)
