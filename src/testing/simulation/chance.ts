/**
 * Chance by name: each draw depends on the seed and on what it is for, and on no draw before it. So a fault that is left
 * out changes none of the others, which is what makes a failing run shrink.
 *
 * @internal
 */

/** A number from 0 up to and without 1. */
export type Draw = (name: string) => number

const multiply = (a: number, b: number) => Math.imul(a, b) >>> 0

/** FNV-1a over the text, then the finalizer of MurmurHash3, twice for 52 bits. */
const hash = (seed: number, text: string): number => {
  let h = (2166136261 ^ seed) >>> 0
  for (let i = 0; i < text.length; i++) h = multiply(h ^ text.charCodeAt(i), 16777619)
  return h
}

const mix = (input: number): number => {
  let h = input
  h = multiply(h ^ (h >>> 16), 0x85ebca6b)
  h = multiply(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The draws of a seed, a whole number. */
export const make = (seed: number): Draw => {
  const low = mix(seed >>> 0) ^ mix(Math.floor(seed / 2 ** 32) >>> 0)
  return (name) => {
    const h = hash(low, name)
    return (mix(h) * 2 ** 20 + (mix(h ^ 0x9e3779b9) >>> 12)) / 2 ** 52
  }
}

/** A sequence of draws, for what has no name of its own: which of several fibers goes first. */
export const sequence = (draw: Draw, name: string): () => number => {
  let state = Math.floor(draw(name) * 2 ** 32) >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    return mix(state) / 2 ** 32
  }
}
