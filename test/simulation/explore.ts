/**
 * `npm run explore -- --depth 12`: looks at all courses of a small deployment to a depth, from an empty Redis and from the
 * middle of some stories, and prints how many states there are. `--states` ends each after so many.
 */
import { explore, stories } from "./explore/explore.js"
import { readArguments } from "./support/arguments.js"

export const main = (args: ReadonlyArray<string>): number => {
  const { numbers: { depth = 10, states } } = readArguments(args, ["depth", "states"])
  for (const [name, story] of Object.entries(stories)) {
    const { isComplete, states: found, steps, violation } = explore({
      depth,
      story,
      mostStates: states,
      onProgress: (count) => console.error(`${count} states`)
    })
    if (violation !== undefined) {
      console.error(`"${violation.rule}" is broken: ${violation.text}\n${violation.path.join("\n")}`)
      return 1
    }
    console.log(
      `${name}: ${found} states, ${steps} steps between them, ${
        isComplete ? "all" : "not all"
      } that there are to depth ${depth}, no violation`
    )
  }
  return 0
}
