/**
 * What tests of applications import: `effect-rq/testing`.
 *
 * @since 0.1.0
 */

/**
 * Virtual time.
 *
 * @since 0.1.0
 */
export * as TimeTravel from "./TimeTravel.js"
