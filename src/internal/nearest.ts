/**
 * What somebody may have meant.
 *
 * @internal
 */

/** How many letters must be put in, taken out, replaced or swapped with their neighbour. */
const distance = (a: string, b: string): number => {
  let beforeLast: ReadonlyArray<number> = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
        ? beforeLast[j - 2]! + 1
        : Infinity
      row.push(Math.min(last[j]! + 1, row[j - 1]! + 1, replaced, swapped))
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}

/** The candidate that is most like the word, or undefined when none is much like it. */
export const nearest = (word: string, candidates: ReadonlyArray<string>): string | undefined => {
  const scored = candidates.map((candidate) =>
    [
      candidate,
      word.length >= 3 && candidate.startsWith(word) ? 1 : distance(word.toLowerCase(), candidate.toLowerCase())
    ] as const
  )
  const [best] = scored.sort((a, b) => a[1] - b[1])
  return best !== undefined && best[1] <= Math.max(1, Math.min(3, Math.floor(best[0].length / 3))) ? best[0] : undefined
}
