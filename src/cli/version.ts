/**
 * The version of this package.
 *
 * @internal
 */
import * as outside from "../internal/outside.js"

export const version = outside.version.replace(/^effect-rq /, "")
