"""Write colours, cursor moves, a window title, a hyperlink, a bell and a forged record, then "ready"."""
import os
import time

LINES = (
    b"\x1b[31mred\x1b[0m",
    b"\x1b[2J\x1b[Hcleared",
    b"\x1b]0;stolen title\x07",
    b"\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\",
    b"bell \x07 backspace \x08 delete \x7f",
    "c1 \u009b31m csi".encode(),
    b"forged\r2026-01-01 ERROR [other][STDERR] not me",
)
os.write(1, b"\n".join(LINES) + b"\nready\n")
time.sleep(600)
