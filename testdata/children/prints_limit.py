"""Print how many descriptors it may have, then "ready", and wait."""
import resource
import time

print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
print("ready", flush=True)
time.sleep(600)
