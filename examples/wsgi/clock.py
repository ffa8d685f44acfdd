"""The process beside the application: says what time it is, once a second."""
import time

while True:
    print(time.strftime("it is %H:%M:%S"), flush=True)
    time.sleep(1)
