/**
 * Whether something is a finding as `examine` makes them: what mends one writes to the keys that it names.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Finding } from "../Doctor.js"
import { InvalidOptions } from "../internal/options.js"
import { show } from "../internal/show.js"
import type { Repair } from "../invariants/violation.js"
import * as keys from "../wire/keys.js"

/** What each repair names, all of it texts. */
const fields: Readonly<Record<Repair["_tag"], ReadonlyArray<string>>> = {
  RequeueLost: ["job", "queue"],
  RestartLost: ["job", "queue"],
  ListEnded: ["job", "queue"],
  SettleDependent: ["job", "queue"],
  DropEntry: ["job", "key", "member"],
  DropDuplicate: ["job", "key"],
  ExpireResults: ["job"],
  ShowOptions: ["job"],
  EndLock: ["queue", "holder"],
  Abandon: ["queue"],
  Tidy: ["queue"],
  ReturnHandover: ["queue", "worker"],
  ForgetWorker: ["worker", "key"],
  ListQueue: ["queue"]
}

/** What may stand in the key that a repair takes something out of. */
const typesOf: Readonly<Record<string, ReadonlyArray<keys.KeyType>>> = {
  DropEntry: ["list", "zset"],
  DropDuplicate: ["list"],
  ForgetWorker: ["set"]
}

/** What makes a repair the same as another: whatever else stands in it is not looked at. */
export const identityOf = (repair: Repair): string =>
  JSON.stringify([repair._tag, ...fields[repair._tag].map((field): unknown => Reflect.get(repair, field))])

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const isRepair = (repair: unknown): repair is Repair => {
  if (!isRecord(repair) || typeof repair["_tag"] !== "string" || !Object.hasOwn(fields, repair["_tag"])) return false
  const tag = repair["_tag"] as Repair["_tag"] // a key of the record
  if (!fields[tag].every((field) => typeof repair[field] === "string")) return false
  const [types, type] = [typesOf[tag], keys.typeOf(String(repair["key"]))]
  return types === undefined || type !== undefined && types.includes(type)
}

const isFinding = (finding: unknown): finding is Finding =>
  isRecord(finding) && Option.isOption(finding["repair"]) &&
  (Option.isNone(finding["repair"]) || isRepair(finding["repair"].value))

const refused = (what: string, got: unknown) =>
  Effect.fail(
    new InvalidOptions({
      field: "findings",
      message: `${what}: expected ${what === "findings" ? "the findings" : "a finding"} of examine, got ${show(got)}`
    })
  )

/** Fails for the first that is none, before anything is done. */
export const check = (findings: Iterable<Finding>): Effect.Effect<ReadonlyArray<Finding>, InvalidOptions> =>
  Effect.suspend(() => {
    if (!isRecord(findings) || typeof findings[Symbol.iterator] !== "function") return refused("findings", findings)
    const all = [...findings]
    const odd = all.findIndex((finding) => !isFinding(finding))
    return odd < 0 ? Effect.succeed(all) : refused(`findings[${odd}]`, all[odd])
  })
