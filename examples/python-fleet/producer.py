"""Enqueues with a function that was generated from the definitions, and reads the result."""
import os
import time

import billing_jobs
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

connection = Redis.from_url(os.environ["REDIS_URL"])
queue = Queue(billing_jobs.QUEUES["billing.invoice"], connection=connection, serializer=JSONSerializer)

job = billing_jobs.invoice(queue, customer="ada", cents=1250)
print("python: enqueued", job.func_name)
deadline = time.monotonic() + 20
while not job.is_finished:
    if job.is_failed or time.monotonic() > deadline:
        raise SystemExit(f"python: the job is {job.get_status()}")
    time.sleep(0.05)
print("python: the result is", job.return_value())
