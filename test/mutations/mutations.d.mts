export interface Mutation {
  readonly name: string
  readonly what: string
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly tests: ReadonlyArray<string>
}

export const mutations: ReadonlyArray<Mutation>

export const apply: (
  mutation: Pick<Mutation, "find" | "replace">,
  text: string
) => { readonly _tag: "Mutated"; readonly text: string } | { readonly _tag: "Missing"; readonly why: string }
