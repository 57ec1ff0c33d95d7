/**
 * What tests of applications import: `effect-rq/testing`.
 *
 * @since 0.1.0
 */

/**
 * A whole deployment under faults.
 *
 * @since 0.1.0
 */
export * as Simulation from "./Simulation.js"

/**
 * Virtual time.
 *
 * @since 0.1.0
 */
export * as TimeTravel from "./TimeTravel.js"
