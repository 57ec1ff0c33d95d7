import type { Simulation } from "effect-rq/testing"
import * as Duration from "effect/Duration"

/** What a number of runs came to, as people read it. */
export const describeSummary = (summary: Simulation.Summary): string => {
  const faults = Object.entries(summary.faults).map(([kind, count]) => `${count} ${kind}`).join(", ")
  return [
    `${summary.runs} runs, ${
      Duration.format(Duration.seconds(Math.round(Duration.toSeconds(summary.elapsed))))
    } of virtual time`,
    `faults: ${faults}`,
    `${summary.accepted} jobs accepted, ${summary.promoted} promoted, ${summary.started} started, ` +
    `${summary.ended} ended, ${summary.abandoned} taken from dead workers, ${summary.lost} lost with a lost tail`,
    `${summary.commands} commands, no violation after any of them`
  ].join("\n")
}
