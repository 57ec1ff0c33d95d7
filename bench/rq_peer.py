"""The tasks of Python RQ: rq_peer.py TASK PARAMS PORT. Figures are the last line of output."""
import json
import logging
import sys
import time
from datetime import datetime, timedelta, timezone

import redis
import rq
from rq.scheduler import RQScheduler

QUEUE = "bench"
PAYLOAD = {"to": "ada@example.org", "name": "Ada Lovelace", "at": "2030-10-10T09:15:00.000Z", "tags": ["welcome", "first"]}


def void(**payload):
    return None


def typed(**payload):
    return {"messageId": "welcome-ada@example.org", "size": 4711}


def function(params):
    return {"typed": "rq_peer.typed", "result": "rq_peer.typed"}.get(params["kind"], "rq_peer.void")


def kwargs(params):
    return PAYLOAD if params["kind"] == "typed" else {}


def timed(params, body):
    body(params["warm"])
    since = time.perf_counter()
    body(params["n"])
    return {"rate": params["n"] / (time.perf_counter() - since)}


def bulk(queue, params, n):
    for at in range(0, n, 250):
        queue.enqueue_many(
            [queue.prepare_data(function(params), kwargs=kwargs(params)) for _ in range(min(250, n - at))]
        )


def awaited(queue, params):
    def body(n):
        for _ in range(n):
            queue.enqueue(function(params), kwargs=kwargs(params))

    return timed(params, body)


def fill(queue, params):
    bulk(queue, params, params["n"])
    return {}


def schedule(queue, params):
    due = datetime.now(timezone.utc) + timedelta(milliseconds=params["dueIn"])
    for _ in range(params["n"]):
        queue.enqueue_at(due, function(params), kwargs=kwargs(params))
    return {}


def drain(queue, params):
    since = time.perf_counter()
    rq.SimpleWorker([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")
    return {"rate": params["n"] / (time.perf_counter() - since)}


def promote(queue, params):
    since = time.perf_counter()
    scheduler = RQScheduler([queue], connection=queue.connection, logging_level=logging.ERROR)
    scheduler.acquire_locks()
    process = scheduler.start()
    while len(queue) < params["n"]:
        time.sleep(0.005)
    took = time.perf_counter() - since
    process.terminate()
    process.join()
    return {"rate": params["n"] / took}


def main():
    task, params, port = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    queue = rq.Queue(QUEUE, connection=redis.Redis("127.0.0.1", port))
    tasks = {
        "awaited": awaited,
        "bulk": lambda queue, params: timed(params, lambda n: bulk(queue, params, n)),
        "fill": fill,
        "schedule": schedule,
        "drain": drain,
        "promote": promote,
    }
    print(json.dumps(tasks[task](queue, params)))


if __name__ == "__main__":
    if sys.argv[1] == "version":
        print(json.dumps(rq.VERSION))
    else:
        main()
