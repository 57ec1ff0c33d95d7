/**
 * Brings Schemas into a form that `effect/JSONSchema` can express, where the wire says more than JSON Schema does.
 *
 * @internal
 */
import * as Option from "effect/Option"
import * as AST from "effect/SchemaAST"

const isNumeric = (ast: AST.AST): boolean => AST.isNumberKeyword(ast) || (AST.isRefinement(ast) && isNumeric(ast.from))

/**
 * The wire writes a bigint as an integer, and reads an integer beyond 2^53 as one. Beside a number it is therefore a
 * number; alone it is nothing that a small integer could be read as, and stays to be refused.
 */
const rewrite = (ast: AST.AST, memo: Map<AST.AST, AST.AST>): AST.AST => {
  const known = memo.get(ast)
  if (known !== undefined) return known
  const on = (inner: AST.AST) => rewrite(inner, memo)
  const built = (): AST.AST => {
    switch (ast._tag) {
      case "Union": {
        const hasNumber = ast.types.some(isNumeric)
        const kept = hasNumber ? ast.types.filter((type) => !AST.isBigIntKeyword(type)) : ast.types
        const types = kept.map(on)
        return types.length === ast.types.length && types.every((type, i) => type === ast.types[i])
          ? ast
          : AST.Union.make(types, ast.annotations)
      }
      case "TypeLiteral": {
        const properties = ast.propertySignatures.map((property) => {
          const type = on(property.type)
          return type === property.type
            ? property
            : new AST.PropertySignature(
              property.name,
              type,
              property.isOptional,
              property.isReadonly,
              property.annotations
            )
        })
        const indexes = ast.indexSignatures.map((index) => {
          const type = on(index.type)
          return type === index.type ? index : new AST.IndexSignature(index.parameter, type, index.isReadonly)
        })
        return properties.every((property, i) => property === ast.propertySignatures[i])
            && indexes.every((index, i) => index === ast.indexSignatures[i])
          ? ast
          : new AST.TypeLiteral(properties, indexes, ast.annotations)
      }
      case "TupleType": {
        const elements = ast.elements.map((element) => {
          const type = on(element.type)
          return type === element.type
            ? element
            : new AST.OptionalType(type, element.isOptional, element.annotations)
        })
        const rest = ast.rest.map((element) => {
          const type = on(element.type)
          return type === element.type ? element : new AST.Type(type, element.annotations)
        })
        return elements.every((element, i) => element === ast.elements[i])
            && rest.every((element, i) => element === ast.rest[i])
          ? ast
          : new AST.TupleType(elements, rest, ast.isReadonly, ast.annotations)
      }
      case "Refinement": {
        const from = on(ast.from)
        return from === ast.from ? ast : new AST.Refinement(from, ast.filter, ast.annotations)
      }
      case "Transformation": {
        const from = on(ast.from)
        return from === ast.from ? ast : new AST.Transformation(from, ast.to, ast.transformation, ast.annotations)
      }
      case "Suspend":
        return new AST.Suspend(() => on(ast.f()), ast.annotations)
      default:
        return ast
    }
  }
  const result = built()
  memo.set(ast, result)
  return result
}

export const encodable = (ast: AST.AST): AST.AST => rewrite(ast, new Map())

/** What has no value is stored as null, which is Python's None. */
export const undefinedAsNull = (ast: AST.AST): AST.AST => {
  if (AST.isUndefinedKeyword(ast) || AST.isVoidKeyword(ast)) return AST.null
  return AST.isUnion(ast) ? AST.Union.make(ast.types.map(undefinedAsNull), ast.annotations) : ast
}

/** The name under which `effect/JSONSchema` puts a Schema among the definitions. */
const identifierOf = (ast: AST.AST): string | undefined => {
  const own = Option.getOrUndefined(AST.getJSONIdentifier(ast))
  if (own !== undefined) return own
  if (AST.isSuspend(ast)) return identifierOf(ast.f())
  return AST.isTransformation(ast) && AST.isTypeLiteral(ast.from) && AST.isDeclaration(ast.to)
      && Option.isSome(AST.getSurrogateAnnotation(ast.to))
    ? identifierOf(ast.to)
    : undefined
}

/** Every Schema that has a name, with its name; what is suspended stands for itself only. */
export const named = (ast: AST.AST): ReadonlyArray<readonly [identifier: string, ast: AST.AST]> => {
  const seen = new Set<AST.AST>()
  const found: Array<readonly [string, AST.AST]> = []
  const visit = (ast: AST.AST): void => {
    if (AST.isSuspend(ast)) return visit(ast.f())
    if (seen.has(ast)) return
    seen.add(ast)
    const identifier = identifierOf(ast)
    if (identifier !== undefined) found.push([identifier, ast])
    const surrogate = AST.getSurrogateAnnotation(ast)
    if (Option.isSome(surrogate)) visit(surrogate.value)
    switch (ast._tag) {
      case "Union":
        return ast.types.forEach(visit)
      case "TypeLiteral":
        ast.propertySignatures.forEach(({ type }) => visit(type))
        return ast.indexSignatures.forEach(({ type }) => visit(type))
      case "TupleType":
        ast.elements.forEach(({ type }) => visit(type))
        return ast.rest.forEach(({ type }) => visit(type))
      case "Refinement":
      case "Transformation":
        return visit(ast.from)
    }
  }
  visit(ast)
  return found
}
