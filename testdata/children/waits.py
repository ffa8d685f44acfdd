"""Do nothing, and end on SIGTERM as anybody would."""
import time

print("ready", flush=True)
time.sleep(600)
