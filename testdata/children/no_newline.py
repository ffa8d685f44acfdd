"""Print "ready", then "last words" without a newline, and end; with "stay" wait instead, as at a prompt."""
import os
import sys
import time

os.write(1, b"ready\nlast words")
if "stay" in sys.argv[1:]:
    time.sleep(600)
