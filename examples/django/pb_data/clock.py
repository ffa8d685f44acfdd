"""Says what time it is, every second."""
import time

while True:
    print(time.strftime("it is %H:%M:%S"))
    time.sleep(1)
