/**
 * The journal: one file for each process, a line of JSON for each note. A line that was written is there whatever
 * becomes of the process.
 */
import * as Fs from "node:fs"
import type { Note } from "./protocol.js"

export interface Journal {
  readonly write: (note: Note) => void
}

export const appendTo = (file: string): Journal => {
  const open = Fs.openSync(file, "a")
  return { write: (note) => void Fs.writeSync(open, `${JSON.stringify(note)}\n`) }
}

/** All whole lines; the last one of a process that was killed may be cut off. */
export const read = (file: string): ReadonlyArray<Note> => {
  if (!Fs.existsSync(file)) return []
  const lines = Fs.readFileSync(file, "utf8").split("\n")
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Note) // what `write` has written
}

/** Reads on from where it stopped the last time. */
export class Reader {
  private at = 0
  private rest = ""
  constructor(readonly file: string) {}
  next(): ReadonlyArray<Note> {
    if (!Fs.existsSync(this.file)) return []
    const open = Fs.openSync(this.file, "r")
    try {
      const size = Fs.fstatSync(open).size
      if (size <= this.at) return []
      const bytes = Buffer.alloc(size - this.at)
      const got = Fs.readSync(open, bytes, 0, bytes.length, this.at)
      this.at += got
      const lines = (this.rest + bytes.subarray(0, got).toString("utf8")).split("\n")
      this.rest = lines.pop() ?? ""
      return lines.map((line) => JSON.parse(line) as Note) // what `write` has written
    } finally {
      Fs.closeSync(open)
    }
  }
}
