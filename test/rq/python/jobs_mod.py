"""Jobs that Python workers run."""
import os
import signal
import sys
import time

import rq


def add(a, b):
    return a + b


def double(number):
    return number * 2


def echo(*args, **kwargs):
    """What arrived, as it arrived."""
    return {"args": list(args), "kwargs": kwargs}


def kinds(*args):
    """Python's types of what arrived."""
    return [type(arg).__name__ for arg in args]


def nothing(*args, **kwargs):
    return None


def fail(message):
    raise ValueError(message)


def not_json():
    return {"a", "set"}


def tag(note):
    job = rq.get_current_job()
    job.meta["python"] = note
    job.save_meta()
    return job.id


def hold(key, seconds=30):
    """Says that it runs, and goes on until it is told to end."""
    connection = rq.get_current_job().connection
    connection.rpush("running:" + key, os.getpid())
    connection.blpop("end:" + key, timeout=seconds)
    return key


def on_failure(job, connection, kind, value, traceback):
    connection.rpush("called back", "%s %s" % (job.id, kind.__name__))


def flaky(key, fails):
    """Fails so many times. The number of the try, which is counted under the key."""
    tries = rq.get_current_job().connection.incr("tries:" + key)
    if tries <= fails:
        raise ValueError("try %d" % tries)
    return tries


def crash():
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds):
    time.sleep(seconds)
    return seconds
