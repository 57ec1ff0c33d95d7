/**
 * A sorted set: scores by member, and members in the order of (score, member) in a tree that counts, so that finding
 * a member's rank, the member of a rank, inserting and removing are all O(log n).
 */

/** Entries of a leaf, or children of an inner node. */
const capacity = 64

interface Leaf {
  readonly leaf: true
  size: number
  readonly scores: Array<number>
  readonly members: Array<string>
}

interface Inner {
  readonly leaf: false
  size: number
  readonly children: Array<Node>
  /** The greatest entry that each child ever held since it was made: never less than what it holds. */
  readonly scores: Array<number>
  readonly members: Array<string>
}

type Node = Leaf | Inner

const before = (score: number, member: string, otherScore: number, otherMember: string): boolean =>
  score < otherScore || (score === otherScore && member < otherMember)

/** The first index whose entry isn't before the one given. */
const search = (node: Node, score: number, member: string): number => {
  let low = 0
  let high = node.scores.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (before(node.scores[middle]!, node.members[middle]!, score, member)) low = middle + 1
    else high = middle
  }
  return low
}

const emptyLeaf = (): Leaf => ({ leaf: true, size: 0, scores: [], members: [] })

/** Inserts, and returns the new right sibling when the node had to split. */
const insert = (node: Node, score: number, member: string): Node | undefined => {
  node.size++
  if (node.leaf) {
    const index = search(node, score, member)
    node.scores.splice(index, 0, score)
    node.members.splice(index, 0, member)
    if (node.scores.length <= capacity) return undefined
    // entries that arrive in order fill their leaves
    const at = index === node.scores.length - 1 ? index : capacity >> 1
    const scores = node.scores.splice(at)
    const right: Leaf = { leaf: true, size: scores.length, scores, members: node.members.splice(at) }
    node.size = node.scores.length
    return right
  }
  let index = search(node, score, member)
  if (index === node.children.length) {
    index--
    node.scores[index] = score
    node.members[index] = member
  }
  const child = node.children[index]!
  const sibling = insert(child, score, member)
  if (sibling === undefined) return undefined
  node.children.splice(index + 1, 0, sibling)
  node.scores.splice(index, 0, lastScore(child))
  node.members.splice(index, 0, lastMember(child))
  if (node.children.length <= capacity) return undefined
  const at = index === node.children.length - 2 ? node.children.length - 1 : capacity >> 1
  const children = node.children.splice(at)
  const right: Inner = {
    leaf: false,
    size: sizeOf(children),
    children,
    scores: node.scores.splice(at),
    members: node.members.splice(at)
  }
  node.size = sizeOf(node.children)
  return right
}

const sizeOf = (nodes: ReadonlyArray<Node>): number => {
  let size = 0
  for (const node of nodes) size += node.size
  return size
}

const lastScore = (node: Node): number => node.scores[node.scores.length - 1]!
const lastMember = (node: Node): string => node.members[node.members.length - 1]!

const remove = (node: Node, score: number, member: string): void => {
  node.size--
  const index = search(node, score, member)
  if (node.leaf) {
    node.scores.splice(index, 1)
    node.members.splice(index, 1)
    return
  }
  const child = node.children[index]!
  remove(child, score, member)
  if (child.size === 0) {
    node.children.splice(index, 1)
    node.scores.splice(index, 1)
    node.members.splice(index, 1)
    return
  }
  // a small child is joined to a small neighbour, so that a set that shrank doesn't keep a tree of crumbs
  if (child.scores.length < capacity >> 2) {
    const left = index > 0 ? index - 1 : index
    const a = node.children[left]
    const b = node.children[left + 1]
    if (a !== undefined && b !== undefined && a.scores.length + b.scores.length <= capacity >> 1) join(node, left)
  }
}

const join = (parent: Inner, left: number): void => {
  const a = parent.children[left]!
  const b = parent.children[left + 1]!
  if (a.leaf !== b.leaf) return
  if (!a.leaf && !b.leaf) a.children.push(...b.children)
  a.scores.push(...b.scores)
  a.members.push(...b.members)
  a.size += b.size
  parent.children.splice(left + 1, 1)
  parent.scores.splice(left, 1)
  parent.members.splice(left, 1)
}

export class SortedSet {
  private readonly byMember = new Map<string, number>()
  private root: Node = emptyLeaf()

  get size(): number {
    return this.byMember.size
  }

  score(member: string): number | undefined {
    return this.byMember.get(member)
  }

  /** Adds the member or moves it. */
  set(member: string, score: number): void {
    const old = this.byMember.get(member)
    if (old !== undefined) {
      if (old === score) return
      this.removeFromTree(old, member)
    }
    this.byMember.set(member, score)
    const root = this.root
    const sibling = insert(root, score, member)
    if (sibling === undefined) return
    this.root = {
      leaf: false,
      size: root.size + sibling.size,
      children: [root, sibling],
      scores: [lastScore(root), lastScore(sibling)],
      members: [lastMember(root), lastMember(sibling)]
    }
  }

  delete(member: string): boolean {
    const score = this.byMember.get(member)
    if (score === undefined) return false
    this.byMember.delete(member)
    this.removeFromTree(score, member)
    return true
  }

  private removeFromTree(score: number, member: string): void {
    remove(this.root, score, member)
    while (!this.root.leaf && this.root.children.length <= 1) this.root = this.root.children[0] ?? emptyLeaf()
  }

  /** How many entries are before (score, member): the member's rank when it is in the set. */
  rank(score: number, member: string): number {
    let rank = 0
    let node = this.root
    while (!node.leaf) {
      const index = search(node, score, member)
      for (let i = 0; i < index; i++) rank += node.children[i]!.size
      const child = node.children[index]
      if (child === undefined) return rank
      node = child
    }
    return rank + search(node, score, member)
  }

  /** How many entries have a score below, or with `inclusive` at or below. */
  countBelow(score: number, inclusive: boolean): number {
    let rank = 0
    let node = this.root
    for (;;) {
      let low = 0
      let high = node.scores.length
      while (low < high) {
        const middle = (low + high) >> 1
        const other = node.scores[middle]!
        if (other < score || (inclusive && other === score)) low = middle + 1
        else high = middle
      }
      if (node.leaf) return rank + low
      for (let i = 0; i < low; i++) rank += node.children[i]!.size
      const child = node.children[low]
      if (child === undefined) return rank
      node = child
    }
  }

  /** Calls `f` for the entries of rank `start` up to and without `end`, upwards. */
  forRange(start: number, end: number, f: (member: string, score: number) => void): void {
    if (start < end) visit(this.root, Math.max(0, start), end, f)
  }

  /** Entries of rank `start` up to and without `end`, upwards. */
  slice(start: number, end: number): Array<readonly [member: string, score: number]> {
    const out: Array<readonly [string, number]> = []
    this.forRange(start, end, (member, score) => out.push([member, score]))
    return out
  }
}

const visit = (node: Node, start: number, end: number, f: (member: string, score: number) => void): void => {
  if (node.leaf) {
    for (let i = start; i < Math.min(end, node.scores.length); i++) f(node.members[i]!, node.scores[i]!)
    return
  }
  let offset = 0
  for (const child of node.children) {
    if (offset >= end) return
    if (offset + child.size > start) visit(child, Math.max(0, start - offset), end - offset, f)
    offset += child.size
  }
}
