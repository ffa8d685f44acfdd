"""Serve the application by a script: alone, or by two workers that are forked, or started by multiprocessing."""
import multiprocessing
import os
import signal
import socket
import sys

from werkzeug.serving import make_server


def serve(listener):
    """Serve the application, which is loaded here unless it was before."""
    import bare

    bare.mounted.manager.start()  # of a copy; where it is started already this does nothing
    make_server("127.0.0.1", 0, bare.application, threaded=True, fd=listener.fileno()).serve_forever()


def fork(listener):
    """Load the application, then fork."""
    import bare  # noqa: F401

    workers = []
    for _ in range(2):
        workers.append(os.fork())
        if workers[-1] == 0:
            serve(listener)
            sys.exit(0)
    end_together(workers)
    for worker in workers:
        os.waitpid(worker, 0)


def process(listener, method):
    """Let workers load the application."""
    context = multiprocessing.get_context(method)
    workers = [context.Process(target=serve, args=(listener,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    end_together([worker.pid for worker in workers])
    for worker in workers:
        worker.join()


def end_together(workers):
    """End when told to, workers first."""
    def end(*_):
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    if sys.argv[1] == "alone":
        serve(listener)
    elif sys.argv[1] == "os.fork":
        fork(listener)
    else:
        process(listener, sys.argv[1])
