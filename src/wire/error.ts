import * as Schema from "effect/Schema"

/**
 * Something that RQ's format can't carry, or that was read and isn't RQ's format.
 *
 * `field` is where (a field of a hash, or a path into a value), `message` names the field, what was found and what
 * would be right.
 *
 * @since 0.1.0
 * @category errors
 */
export class WireError extends Schema.TaggedError<WireError>("effect-rq/WireError")("WireError", {
  field: Schema.String,
  message: Schema.String
}) {}

/** A WireError whose message begins with the field. */
export const make = (field: string, message: string): WireError =>
  new WireError({ field, message: `${field}: ${message}` })

/** A text as it is shown in messages: quoted, and cut when it is long. */
export const show = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text)
