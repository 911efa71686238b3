import type { Static, TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/** One thing wrong with a value: where it is, what was expected, what was found. */
export interface Problem {
  /** Dotted path from the root, `machines.0.source.port`; `(root)` for the value itself. */
  readonly path: string
  readonly expected: string
  readonly got: string
}

export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problems: Problem[] }

export interface Validator<T> {
  /** Checks without copying; the value is the input, narrowed. At most `PROBLEMS_MAX` problems are reported. */
  check(input: unknown): Checked<T>
}

const PROBLEMS_MAX = 20

/** Compiles a schema once. The compiled check costs about 0.2 µs a message; the problems are only worked out on failure. */
export const validator = <S extends TSchema>(schema: S): Validator<Static<S>> => {
  const compiled = Compile(schema)
  return {
    check(input) {
      if (compiled.Check(input)) return { ok: true, value: input as Static<S> }
      return { ok: false, problems: toProblems(compiled.Errors(input) as unknown as SchemaError[], input) }
    },
  }
}

/** `path: expected …, got …`, the one form in which every room reports a bad value. */
export const formatProblem = (problem: Problem): string =>
  `${problem.path}: expected ${problem.expected}, got ${problem.got}`

export const formatProblems = (problems: readonly Problem[]): string => problems.map(formatProblem).join('; ')

interface SchemaError {
  readonly keyword: string
  readonly instancePath: string
  readonly params: { readonly [name: string]: unknown }
  readonly message: string
}

const toProblems = (errors: readonly SchemaError[], root: unknown): Problem[] => {
  const seen = new Map<string, Problem>()
  const constants = new Map<string, unknown[]>()
  for (const error of errors) {
    if (error.keyword === 'const') {
      const values = constants.get(error.instancePath) ?? []
      values.push(error.params.allowedValue)
      constants.set(error.instancePath, values)
    }
  }
  // Of a union's many complaints the deepest place is the one the writer meant.
  for (const error of errors) {
    if (error.keyword === 'anyOf' && (constants.has(error.instancePath) || hasDeeper(errors, error.instancePath)))
      continue
    for (const problem of describe(error, root, constants)) {
      const key = problem.path
      if (!seen.has(key) && seen.size < PROBLEMS_MAX) seen.set(key, problem)
    }
  }
  return [...seen.values()]
}

const hasDeeper = (errors: readonly SchemaError[], path: string): boolean =>
  errors.some(other => other.keyword !== 'anyOf' && other.instancePath.startsWith(path))

const describe = (error: SchemaError, root: unknown, constants: ReadonlyMap<string, unknown[]>): Problem[] => {
  const at = error.instancePath
  if (error.keyword === 'required') {
    const names = error.params.requiredProperties as string[]
    return names.map(name => ({ path: dotted(`${at}/${name}`), expected: 'a value', got: 'nothing' }))
  }
  if (error.keyword === 'additionalProperties') {
    const names = (error.params.additionalProperties as string[] | undefined) ?? []
    return names.map(name => ({
      path: dotted(`${at}/${name}`),
      expected: 'no such setting',
      got: show(valueAt(root, `${at}/${name}`)),
    }))
  }
  const got = show(valueAt(root, at))
  // `additionalProperties: false` is a false schema at the place of the stray setting.
  if (error.keyword === 'boolean') return [{ path: dotted(at), expected: 'no such setting', got }]
  if (error.keyword === 'const') {
    const values = [...new Set(constants.get(at) ?? [])].map(show)
    return [{ path: dotted(at), expected: values.length > 1 ? `one of ${values.join(', ')}` : values.join(''), got }]
  }
  if (error.keyword === 'enum') {
    const values = (error.params.allowedValues as unknown[]).map(show)
    return [{ path: dotted(at), expected: `one of ${values.join(', ')}`, got }]
  }
  return [{ path: dotted(at), expected: error.message.replace(/^must (be|have|match) ?/, ''), got }]
}

const dotted = (pointer: string): string =>
  pointer === '' ? '(root)' : pointer.slice(1).split('/').map(unescapePointer).join('.')

const valueAt = (root: unknown, pointer: string): unknown =>
  pointer
    .split('/')
    .slice(1)
    .map(unescapePointer)
    .reduce<unknown>((value, key) => (value as { [key: string]: unknown } | null | undefined)?.[key], root)

// RFC 6901 section 4.
const unescapePointer = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~')

const SHOWN_MAX = 60

const show = (value: unknown): string => {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
}
