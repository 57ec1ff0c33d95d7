"""The same run for RQ: the job that its workers run, and as a program the producer: rq_fleet.py PLAN."""
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone


def note(**fields):
    fields["at"] = time.time() * 1000
    line = (json.dumps(fields) + "\n").encode()
    out = os.open(os.environ["FAULTS_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(out, line)
    os.close(out)


def run(id, due, millis):
    execution = "%s:%d:%f" % (os.environ["FAULTS_NAME"], os.getpid(), time.time())
    note(what="start", id=id, execution=execution, attempt=0, due=due)
    time.sleep(millis / 1000)
    note(what="end", id=id, execution=execution)


def produce(plan):
    import redis
    import rq

    connection = redis.Redis.from_url(plan["url"], socket_timeout=5, socket_connect_timeout=5)
    queue = rq.Queue(plan["queue"], connection=connection)
    begun = time.time()

    def one(job):
        time.sleep(max(0, begun + job["after"] / 1000 - time.time()))
        due = time.time() * 1000 + job["delay"]
        tries = 0
        while True:
            tries += 1
            kwargs = {"id": job["id"], "due": due, "millis": job["millis"]}
            options = {"job_id": job["id"], "result_ttl": -1, "kwargs": kwargs}
            try:
                if job["delay"] == 0:
                    queue.enqueue("rq_fleet.run", **options)
                else:
                    queue.enqueue_at(datetime.fromtimestamp(due / 1000, timezone.utc), "rq_fleet.run", **options)
            except redis.RedisError as error:
                note(what="refused", id=job["id"], reason=type(error).__name__, code="")
                time.sleep(min(1, 0.05 * 2**tries))
                continue
            note(what="acked", id=job["id"], due=due, tries=tries, outcome="enqueued")
            return

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(one, plan["jobs"]))
    note(what="produced")


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        produce(json.load(file))
