import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { messageOf, NakamaError } from '@nakama/contract'

/**
 * Options of a command, with its own error code.
 *
 * @throws NakamaError `code` for an option that there is not, or that lacks its value; so do the readers below.
 */
export const parseOptions = <O extends ParseArgsOptionsConfig>(code: string, argv: readonly string[], options: O) => {
  try {
    return parseArgs({ args: [...argv], options }).values
  } catch (error) {
    throw new NakamaError(code, messageOf(error))
  }
}

/** @throws NakamaError `code`, naming the option, what was expected and what came. */
export const wholeNumber = (code: string, option: string, text: string, min: number, max: number): number => {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new NakamaError(code, `${option}: expected a whole number from ${min} to ${max}, got "${text}"`)
}
