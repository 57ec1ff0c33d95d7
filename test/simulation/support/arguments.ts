/** Reads `--name value` and `--name` of a command. */
export const readArguments = <Name extends string>(
  args: ReadonlyArray<string>,
  numbers: ReadonlyArray<Name>,
  switches: ReadonlyArray<string> = []
): { readonly numbers: Partial<Record<Name, number>>; readonly switches: ReadonlySet<string> } => {
  const found: Partial<Record<Name, number>> = {}
  const on = new Set<string>()
  const known = [...numbers, ...switches].map((name) => `--${name}`).join(", ")
  for (let at = 0; at < args.length; at++) {
    const option = args[at]!
    const number = numbers.find((name) => option === `--${name}`)
    if (number !== undefined) {
      const value = Number(args[++at])
      if (!Number.isSafeInteger(value)) throw new Error(`${option}: expected a whole number`)
      found[number] = value
    } else if (switches.includes(option.slice(2))) {
      on.add(option.slice(2))
    } else {
      throw new Error(`unknown option ${option}, expected one of ${known}`)
    }
  }
  return { numbers: found, switches: on }
}
