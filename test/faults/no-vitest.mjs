/** Stands in for vitest where helpers of tests are bundled into programs. */
export const assert = undefined
