/**
 * What of effect-rq is public. The tests of this folder take what they try out from here, by its name: so another test can
 * tell what none of them tries.
 */
import * as EffectRq from "effect-rq"
import * as Testing from "effect-rq/testing"

export const modules = { ...EffectRq, ...Testing }

/** An export of a public module. */
export const subject = <M extends keyof typeof modules, N extends keyof (typeof modules)[M]>(
  module: M,
  name: N
): (typeof modules)[M][N] => modules[module][name]
