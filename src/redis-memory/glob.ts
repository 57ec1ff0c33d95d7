/**
 * Redis' glob-style patterns: `*`, `?`, `[a-c]`, `[^a]`, and `\` before a character that stands for itself.
 */
export const glob = (pattern: string): (text: string) => boolean => {
  if (pattern === "*") return () => true
  return (text) => match(pattern, 0, text, 0)
}

const match = (pattern: string, p: number, text: string, t: number): boolean => {
  while (p < pattern.length) {
    const c = pattern[p]!
    if (c === "*") {
      while (pattern[p + 1] === "*") p++
      if (p + 1 === pattern.length) return true
      for (let at = t; at <= text.length; at++) if (match(pattern, p + 1, text, at)) return true
      return false
    }
    if (t >= text.length) return false
    if (c === "[") {
      p++
      const negated = pattern[p] === "^"
      if (negated) p++
      let found = false
      for (;;) {
        if (p >= pattern.length) {
          p--
          break
        }
        if (pattern[p] === "\\" && p + 1 < pattern.length) {
          p++
          if (pattern[p] === text[t]) found = true
        } else if (pattern[p] === "]") {
          break
        } else if (pattern[p + 1] === "-" && p + 2 < pattern.length) {
          const [low, high] = [pattern[p]!, pattern[p + 2]!].sort()
          if (text[t]! >= low! && text[t]! <= high!) found = true
          p += 2
        } else if (pattern[p] === text[t]) found = true
        p++
      }
      if (found === negated) return false
    } else if (c !== "?") {
      if (c === "\\" && p + 1 < pattern.length) p++
      if (pattern[p] !== text[t]) return false
    }
    p++
    t++
  }
  return t === text.length
}
