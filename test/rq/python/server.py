"""Runs snippets: a line of JSON in ({"code": ..., "args": {...}}), a line of JSON out.

A snippet is the body of a function, so it may `return`. It sees the names below and its arguments; what it keeps in
`state` is there for the next one.
"""
import contextlib
import datetime
import json
import logging
import math
import os
import sys
import time
import traceback

import redis
import rq
from rq import Queue, Retry, SimpleWorker, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.registry import (
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
    clean_registries,
)
from rq.results import Result
from rq.scheduler import RQScheduler
from rq.serializers import DefaultSerializer, JSONSerializer

connection = redis.Redis.from_url(sys.argv[1])
state = {}


def queue(name="default", serializer=JSONSerializer, **options):
    return Queue(name, connection=connection, serializer=serializer, **options)


def fetch(job_id):
    return Job.fetch(job_id, connection=connection, serializer=JSONSerializer)


def registry(kind, name):
    return kind(name, connection=connection, serializer=JSONSerializer)


def worker(names, kind=SimpleWorker, **options):
    return kind(names, connection=connection, serializer=JSONSerializer, **options)


def burst(names, kind=SimpleWorker, **options):
    made = worker(names, kind, **options)
    made.work(burst=True)
    return made.name


def scheduler(names, interval=1, **options):
    return RQScheduler(names, connection=connection, interval=interval, serializer=JSONSerializer, **options)


def main():
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    here = os.getpid()
    replies = os.fdopen(3, "w", encoding="utf-8")
    for line in sys.stdin:
        request = json.loads(line)
        names = dict(globals())
        names.update(request["args"])
        body = "\n".join("    " + part for part in request["code"].splitlines())
        try:
            exec("def snippet():\n" + body, names)
            answer = {"value": names["snippet"]()}
            text = json.dumps(answer)
        except BaseException as error:
            if os.getpid() != here:
                raise
            text = json.dumps({"error": traceback.format_exc(), "type": type(error).__name__})
        replies.write(text + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
