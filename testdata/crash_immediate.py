"""Crash at once: one line to each stream, then exit code 1 (or the one given)."""
import os
import sys

print(f"crash_immediate started, run {os.environ.get('PROCESSMAN_RUN', '?')}", flush=True)
print("Error: crashing on purpose", file=sys.stderr, flush=True)
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
