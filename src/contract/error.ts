/**
 * Why a contract can't be written.
 *
 * @internal
 */
import * as Schema from "effect/Schema"

/**
 * A Schema that JSON Schema has no words for. `job` and `field` (`payload.at`, `success`, `error.cause`, ...) name what
 * to change, the message says how.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContractError extends Schema.TaggedError<ContractError>("effect-rq/Contract/ContractError")(
  "ContractError",
  { job: Schema.String, field: Schema.String, message: Schema.String }
) {}
