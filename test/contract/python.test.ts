/**
 * A Python process imports the module of a contract and enqueues with it; effect-rq runs.
 */
import { assert } from "@effect/vitest"
import { Contract, type Job, Queue, Redis, Worker } from "effect-rq"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { cache } from "../package/sources.js"
import { eventually, PythonRq, suite } from "../support/python-rq.js"
import * as Jobs from "./jobs.js"

/** A group whose handlers tell what they were given. */
const makeHandlers = (received: Array<unknown>) =>
  Jobs.Jobs.toLayer({
    "app.mail.send_welcome": ({ name, to }) =>
      to === "nobody"
        ? Effect.fail(new Jobs.MailRejected({ reason: "unknown" }))
        : Effect.succeed({ messageId: `${to}/${name ?? "-"}` }),
    "app.everything": (payload) => {
      received.push(payload)
      return Effect.succeed({ text: payload.text, date: payload.date, tree: payload.tree })
    },
    "app.names": (payload) => {
      received.push(payload)
      return Effect.succeed(payload.description)
    },
    "app.math.add": ([left, right]) => Effect.succeed(left + right),
    "app.text.join": ([text, count, ...rest]) => Effect.succeed([text, count ?? "-", ...rest].join(" ")),
    "app.math.sum": (numbers) => Effect.succeed(numbers.reduce((sum, number) => sum + number, 0)),
    "app.move": (move) => Effect.succeed(move._tag === "By" ? `by ${move.steps}` : `to ${move.place}`),
    "app.count": (counts) => Effect.succeed(counts["none"] === undefined ? Object.keys(counts).length : undefined),
    "app.relocate": (address) => Effect.succeed(address),
    "app.db.cleanup": () => Effect.void,
    "app.files.cleanup": () => Effect.void,
    "app.nightly.db_cleanup_at": () => Effect.void,
    import: () => Effect.void
  })

const module = Either.getOrThrow(Contract.toPython(Jobs.Jobs))

/** Lets the Python of the test import the module as `contract_jobs`. */
const importModule = Effect.gen(function*() {
  const { run } = yield* PythonRq
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => {
      Fs.mkdirSync(cache, { recursive: true })
      const folder = Fs.mkdtempSync(Path.join(cache, "contract-"))
      Fs.writeFileSync(Path.join(folder, "contract_jobs.py"), module)
      return folder
    }),
    (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true, force: true }))
  )
  yield* run(
    `
sys.path.insert(0, folder)
sys.modules.pop("contract_jobs", None)
import contract_jobs
sys.path.remove(folder)
state["jobs"] = contract_jobs`,
    { folder }
  )
  return <A>(code: string, args: Readonly<Record<string, unknown>> = {}) =>
    run<A>(`jobs = state["jobs"]\n${code}`, args)
})

const runAll = (received: Array<unknown> = []) =>
  Effect.gen(function*() {
    const worker = yield* Worker.make(Jobs.Jobs, { queues: ["mail", "default"], burst: true })
    return yield* worker.finished
  }).pipe(Effect.scoped, Effect.provide(makeHandlers(received)))

suite("a module for Python", (test) => {
  test("enqueues each job, and its result comes back", () =>
    Effect.gen(function*() {
      const run = yield* importModule
      const queue = yield* Queue.Queue
      const ids = yield* run<Record<string, string>>(`
q = queue()
made = {
    "welcome": jobs.send_welcome(queue(jobs.QUEUES["app.mail.send_welcome"]), to="ada", name="Ada"),
    "unnamed": jobs.send_welcome(queue("mail"), to="ada"),
    "nobody": jobs.send_welcome(queue("mail"), to="nobody"),
    "add": jobs.add(q, 1, class_=2),
    "join1": jobs.join(q, "a"),
    "join2": jobs.join(q, "a", 2),
    "join3": jobs.join(q, "a", 2, "b", "c"),
    "sum": jobs.sum(q, 1, 2.5, 3),
    "by": jobs.move(q, {"_tag": "By", "steps": 3}),
    "to": jobs.move(q, {"_tag": "To", "place": "Rome"}),
    "count": jobs.count(q, {"a": 1, "timeout": 2, "args": 3}),
    "none": jobs.count(q, {"none": 1}),
    "relocate": jobs.relocate(q, street="Via Appia"),
    "cleanup": jobs.app_db_cleanup(q),
    "cleanup2": jobs.files_cleanup(q),
    "cleanup3": jobs.nightly_db_cleanup_at(q),
    "import": jobs.import_(q),
}
return {key: job.id for key, job in made.items()}`)
      assert.deepInclude(yield* runAll(), { successful: 16, failed: 1 })
      const succeeded = <J extends Job.Any>(job: J, key: string) =>
        Effect.map(queue.result(job, ids[key]!), (result) => Exit.isSuccess(Option.getOrThrow(result)))
      assert.isTrue(yield* succeeded(Jobs.SendWelcome, "welcome"))
      assert.isFalse(yield* succeeded(Jobs.SendWelcome, "nobody"))
      assert.deepStrictEqual(
        yield* queue.result(Jobs.SendWelcome, ids["nobody"]!),
        Option.some(Exit.fail(new Jobs.MailRejected({ reason: "unknown" })))
      )
      assert.deepStrictEqual(
        yield* run(`return {key: fetch(i).return_value() for key, i in ids.items() if key != "nobody"}`, { ids }),
        {
          welcome: { messageId: "ada/Ada" },
          unnamed: { messageId: "ada/-" },
          add: 3,
          join1: "a -",
          join2: "a 2",
          join3: "a 2 b c",
          sum: 6.5,
          by: "by 3",
          to: "to Rome",
          count: 3,
          none: null,
          relocate: { street: "Via Appia" },
          cleanup: null,
          cleanup2: null,
          cleanup3: null,
          import: null
        }
      )
    }))

  test("hands over values of every kind", () =>
    Effect.gen(function*() {
      const run = yield* importModule
      const value = yield* run(`
state["everything"] = jobs.everything(
    queue(), text="é😀", int=1, float=0.5, flag=True, nothing=None, literal="b", half=0.5, colour="red", level=2,
    nullable=None, union="u", date="2026-12-24T09:15:00.000Z", bigint=str(2**70), integer=2**70, userId="u1", port=80,
    list_=[1, 2], pair=("a", 1), open=["a", 1, 2], record={"x": 1}, nested={"deep": {"x": 1}, "not-a-name": "y"},
    address={"street": "s", "zip": "z"}, tree={"value": 1, "children": [{"value": 2, "children": []}]},
    numbers=[1, [2, []]], shape={"_tag": "Square", "side": 2}, option={"_tag": "Some", "value": 1},
    unknown={"a": [None]}, optionalNullable=None,
)
return sorted(fetch(state["everything"].id).kwargs)`)
      // what was not given is not there
      assert.notIncludeMembers(value as Array<string>, ["either", "defaulted"]) // `sorted` makes a list
      const received: Array<unknown> = []
      assert.deepInclude(yield* runAll(received), { successful: 1, failed: 0 })
      const tree = { value: 1, children: [{ value: 2, children: [] }] }
      assert.deepStrictEqual(received, [{
        text: "é\u{1f600}",
        int: 1,
        float: 0.5,
        flag: true,
        nothing: null,
        literal: "b",
        half: 0.5,
        colour: "red",
        level: 2,
        nullable: null,
        union: "u",
        either: undefined,
        defaulted: 3,
        optionalNullable: null,
        date: new Date("2026-12-24T09:15:00.000Z"),
        bigint: 2n ** 70n,
        integer: 2n ** 70n,
        userId: "u1",
        port: 80,
        list: [1, 2],
        pair: ["a", 1],
        open: ["a", 1, 2],
        record: { x: 1 },
        nested: { deep: { x: 1 }, "not-a-name": "y" },
        address: new Jobs.Address({ street: "s", zip: "z" }),
        tree,
        numbers: [1, [2, []]],
        shape: { _tag: "Square", side: 2 },
        option: Option.some(1),
        unknown: { a: [null] }
      }])
      assert.deepStrictEqual(yield* run(`return fetch(state["everything"].id).return_value()`), {
        text: "é\u{1f600}",
        date: "2026-12-24T09:15:00.000Z",
        tree
      })
    }))

  test("keeps arguments apart from what RQ calls the same", () =>
    Effect.gen(function*() {
      const run = yield* importModule
      const queue = yield* Queue.Queue
      const id = yield* run<string>(`
return jobs.names(
    queue(), timeout=1, job_id="j", description="d", at_front=True, args=[1], kwargs="k", queue="q", job_options="o",
    when="w", delay=0.5, class__="c", class_="c2", a_b="ab", _1st="first", größe=1.5, __="smile", _enqueue_="e",
    self="s", dict_="di", quote_="qu",
    job_options_={"description": "for people", "meta": {"n": 1}},
).id`)
      const record = Option.getOrThrow(yield* queue.fetch(id))
      assert.notStrictEqual(id, "j")
      assert.strictEqual(record.description, "for people")
      assert.deepStrictEqual(record.meta, { n: 1 })
      assert.deepStrictEqual(record.timeout, Option.some(Duration.minutes(3)))
      const received: Array<unknown> = []
      assert.deepInclude(yield* runAll(received), { successful: 1, failed: 0 })
      assert.deepStrictEqual(received, [{
        timeout: 1,
        job_id: "j",
        description: "d",
        at_front: true,
        args: [1],
        kwargs: "k",
        queue: "q",
        job_options: "o",
        when: "w",
        delay: 0.5,
        class: "c",
        class_: "c2",
        "a-b": "ab",
        "1st": "first",
        größe: 1.5,
        "\u{1f600}": "smile",
        _enqueue: "e",
        self: "s",
        dict: "di",
        "quote\"\\": "qu"
      }])
    }))

  test("gives the lifetimes of the definition, unless a call says otherwise", () =>
    Effect.gen(function*() {
      const run = yield* importModule
      const times = (code: string) =>
        run(`
job = fetch((${code}).id)
return [job.timeout, job.ttl, job.result_ttl, job.failure_ttl]`)
      assert.deepStrictEqual(yield* times(`jobs.send_welcome(queue("mail"), to="a")`), [30, 3600, 600, -1])
      assert.deepStrictEqual(
        yield* times(
          `jobs.send_welcome(queue("mail"), to="a", job_options={"job_timeout": "2m", "ttl": 5, "failure_ttl": 7})`
        ),
        [120, 5, 600, 7]
      )
      assert.deepStrictEqual(
        yield* times(`jobs.send_welcome_in(queue("mail"), datetime.timedelta(hours=1), to="a")`),
        [30, 3600, 600, -1]
      )
      assert.deepStrictEqual(yield* times(`jobs.add(queue(default_timeout=9), 1, 2)`), [9, null, null, null])
    }))

  test("takes RQ's options", () =>
    Effect.gen(function*() {
      const run = yield* importModule
      const queue = yield* Queue.Queue
      yield* run(`
jobs.add(queue(), 1, 2, job_options={"job_id": "second"})
jobs.add(queue(), 1, 2, job_options={"job_id": "first", "at_front": True})`)
      assert.deepStrictEqual(yield* queue.jobIds("default"), ["first", "second"])
    }))

  test("schedules for a time and after a delay", () =>
    Effect.gen(function*() {
      const run = yield* importModule
      const redis = yield* Redis.Redis
      yield* run(`
soon = datetime.timedelta(seconds=-1)
paris = datetime.timezone(datetime.timedelta(hours=1))
jobs.add_at(queue(), datetime.datetime(2036, 12, 24, 9, 15, tzinfo=paris), 1, 2, job_options={"job_id": "xmas"})
jobs.join_in(queue(), soon, "a", 1, "b", job_options={"job_id": "now"})
jobs.send_welcome_in(queue(), soon, to="ada", job_options={"job_id": "kw", "at_front": True})`)
      assert.strictEqual(
        yield* redis.send<string>("ZSCORE", "rq:scheduled:default", "xmas"),
        String(Date.UTC(2036, 11, 24, 8, 15) / 1000)
      )
      const worker = yield* Worker.make(Jobs.Jobs, { queues: ["default"], withScheduler: true }).pipe(
        Effect.provide(makeHandlers([]))
      )
      yield* eventually("both ran", worker.status, ({ successful }) => successful === 2)
      assert.deepStrictEqual(
        yield* run(`return [fetch(i).return_value() for i in ["now", "kw"]]`),
        ["a 1 b", { messageId: "ada/-" }]
      )
      assert.strictEqual(yield* redis.send<number>("ZCARD", "rq:scheduled:default"), 1)
    }))

  test("refuses what would do harm, before anything is sent", () =>
    Effect.gen(function*() {
      const run = yield* importModule
      const redis = yield* Redis.Redis
      const cases: ReadonlyArray<readonly [code: string, type: string, message: RegExp]> = [
        [
          `jobs.add(queue("q", serializer=DefaultSerializer), 1, 2)`,
          "TypeError",
          /app\.math\.add: the queue 'q' needs the JSON serializer: Queue\(\.\.\., serializer=JSONSerializer\)/
        ],
        [
          `jobs.add_in(queue(serializer=None), datetime.timedelta(1), 1, 2)`,
          "TypeError",
          /needs the JSON serializer/
        ],
        [`jobs.add(queue(is_async=False), 1, 2)`, "TypeError", /is_async=False/],
        [`jobs.add_at(queue(), datetime.datetime(2036, 1, 1), 1, 2)`, "ValueError", /a time needs a time zone/],
        [`jobs.add(queue(), 1, 2, job_options={"job_id": "a b"})`, "ValueError", /job_id may hold/],
        [`jobs.add(queue(), 1, 2, job_options={"timeout": 1})`, "TypeError", /unknown job_options: timeout/],
        [`jobs.add(queue(), 1, 2, job_options={"kwargs": {}})`, "TypeError", /unknown job_options: kwargs/],
        [`jobs.add(queue(), 1)`, "TypeError", /missing 1 required positional argument/],
        [`jobs.add(queue(), 1, 2, 3)`, "TypeError", /positional arguments/],
        [`jobs.send_welcome(queue(), "ada")`, "TypeError", /positional argument/],
        [`jobs.send_welcome(queue(), to="ada", nme="Ada")`, "TypeError", /unexpected keyword argument 'nme'/],
        [`jobs.send_welcome(queue(), to={1})`, "TypeError", /not JSON serializable/],
        [`jobs.send_welcome_in(queue(), datetime.timedelta(1), to={1})`, "TypeError", /not JSON serializable/]
      ]
      for (const [code, type, message] of cases) {
        const error = yield* Effect.flip(run(code))
        assert.strictEqual(error.type, type, code)
        assert.match(error.message, message)
      }
      assert.strictEqual(yield* redis.send<number>("DBSIZE"), 0)
    }))
})
