/**
 * Jobs with every kind of Schema that a contract has words for.
 */
import { Job, JobGroup } from "effect-rq"
import * as Schema from "effect/Schema"

/** A class. */
export class Address extends Schema.Class<Address>("Address")({
  street: Schema.String,
  zip: Schema.optional(Schema.String)
}, { description: "Where somebody lives" }) {}

export class MailRejected extends Schema.TaggedError<MailRejected>()("MailRejected", { reason: Schema.String }) {}

export class Busy extends Schema.TaggedError<Busy>()("Busy", { seconds: Schema.Int }) {}

/** Recursive, an object. */
export interface Tree {
  readonly value: number
  readonly children: ReadonlyArray<Tree>
}
export const Tree: Schema.Schema<Tree> = Schema.Struct({
  value: Schema.Int,
  children: Schema.Array(Schema.suspend(() => Tree))
}).annotations({ identifier: "Tree" })

/** Recursive, no object. */
export type Nested = number | ReadonlyArray<Nested>
export const Nested: Schema.Schema<Nested> = Schema.Union(
  Schema.Number,
  Schema.Array(Schema.suspend(() => Nested))
).annotations({ identifier: "Nested" })

const Colour = Schema.Literal("red", "green").annotations({ identifier: "Colour" })

enum Level {
  Low = 1,
  High = 2
}

/** Of any size: the wire has an integer for either. */
const Integer = Schema.Union(Schema.Int, Schema.BigIntFromSelf)

export const SendWelcome = Job.make("app.mail.send_welcome", {
  payload: { to: Schema.NonEmptyString, name: Schema.optional(Schema.String) },
  success: Schema.Struct({ messageId: Schema.String }),
  error: MailRejected,
  queue: "mail",
  timeout: "30 seconds",
  ttl: "1 hour",
  resultTtl: "10 minutes",
  failureTtl: "forever"
})

export const Everything = Job.make("app.everything", {
  payload: {
    text: Schema.String.annotations({ description: "Any text, \"quoted\" or not" }),
    int: Schema.Int,
    float: Schema.Number,
    flag: Schema.Boolean,
    nothing: Schema.Null,
    literal: Schema.Literal("a", "b", 1, true, null),
    half: Schema.Literal(0.5),
    colour: Colour,
    level: Schema.Enums(Level),
    nullable: Schema.NullOr(Schema.String),
    union: Schema.Union(Schema.Int, Schema.String),
    either: Schema.UndefinedOr(Schema.String),
    defaulted: Schema.optionalWith(Schema.Int, { default: () => 3 }),
    optionalNullable: Schema.optional(Schema.NullOr(Schema.Int)),
    date: Schema.Date,
    bigint: Schema.BigInt,
    integer: Integer,
    userId: Schema.String.pipe(Schema.brand("UserId")),
    port: Schema.Int.pipe(Schema.between(1, 65535)),
    list: Schema.Array(Schema.Int),
    pair: Schema.Tuple(Schema.String, Schema.Int),
    open: Schema.Tuple([Schema.String], Schema.Int),
    record: Schema.Record({ key: Schema.String, value: Schema.Int }),
    nested: Schema.Struct({ deep: Schema.Struct({ x: Schema.Number }), "not-a-name": Schema.optional(Schema.String) }),
    address: Address,
    tree: Tree,
    numbers: Nested,
    shape: Schema.Union(
      Schema.TaggedStruct("Circle", { radius: Schema.Number }),
      Schema.TaggedStruct("Square", { side: Schema.Number })
    ),
    option: Schema.Option(Schema.Int),
    unknown: Schema.Unknown
  },
  success: Schema.Struct({ text: Schema.String, date: Schema.Date, tree: Tree }),
  error: Schema.Union(MailRejected, Busy)
})

/** Fields that RQ, Python or the module have a use of their own for. */
export const Names = Job.make("app.names", {
  payload: {
    timeout: Schema.Int,
    job_id: Schema.String,
    description: Schema.String,
    at_front: Schema.Boolean,
    args: Schema.Array(Schema.Int),
    kwargs: Schema.String,
    queue: Schema.String,
    job_options: Schema.String,
    when: Schema.String,
    delay: Schema.Number,
    class: Schema.String,
    class_: Schema.optional(Schema.String),
    "a-b": Schema.String,
    "1st": Schema.String,
    größe: Schema.Number,
    "\u{1f600}": Schema.String,
    _enqueue: Schema.String,
    self: Schema.String,
    dict: Schema.String,
    "quote\"\\": Schema.String
  },
  success: Schema.String
})

export const Add = Job.make("app.math.add", {
  payload: Schema.Tuple(
    Schema.element(Schema.Int).annotations({ title: "left" }),
    Schema.element(Schema.Int).annotations({ title: "class" })
  ),
  success: Schema.Int
})

export const Join = Job.make("app.text.join", {
  payload: Schema.Tuple([Schema.String, Schema.optionalElement(Schema.Int)], Schema.String),
  success: Schema.String
})

export const Sum = Job.make("app.math.sum", { payload: Schema.NonEmptyArray(Schema.Number), success: Schema.Number })

export const Move = Job.make("app.move", {
  payload: Schema.Union(
    Schema.TaggedStruct("By", { steps: Schema.Int }),
    Schema.TaggedStruct("To", { place: Schema.String })
  ),
  success: Schema.String
})

export const Count = Job.make("app.count", {
  payload: Schema.Record({ key: Schema.String, value: Schema.Int }),
  success: Schema.UndefinedOr(Schema.Int)
})

export const Move2 = Job.make("app.relocate", { payload: Address, success: Address })

export const Cleanup = Job.make("app.db.cleanup")

/** Shares its last part with the one above. */
export const Cleanup2 = Job.make("app.files.cleanup")

/** Would be what schedules the one above. */
export const CleanupAt = Job.make("app.nightly.db_cleanup_at")

export const Import = Job.make("import")

export const Jobs = JobGroup.make(
  SendWelcome,
  Everything,
  Names,
  Add,
  Join,
  Sum,
  Move,
  Count,
  Move2,
  Cleanup,
  Cleanup2,
  CleanupAt,
  Import
)
