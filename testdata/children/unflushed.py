"""Print ten lines, then "ready", without ever flushing, and wait."""
import time

for number in range(1, 11):
    print(f"line {number}")
print("ready")
time.sleep(600)
