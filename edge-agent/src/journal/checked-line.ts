import { crc32 } from 'node:zlib'

/** A line of JSON behind its CRC. The line break comes first, so that a torn line before it spoils nothing else. */
export const encodeLine = (value: object): string => {
  const json = JSON.stringify(value)
  return `\n${crcOf(json)} ${json}\n`
}

/** What the good lines of a text say: where the CRC holds, it is what was written. */
export const decodeLines = (text: string): unknown[] =>
  text.split('\n').flatMap(line => {
    const [crc, json] = [line.slice(0, 8), line.slice(9)]
    return json !== '' && crcOf(json) === crc ? [JSON.parse(json)] : []
  })

const crcOf = (json: string): string => crc32(json).toString(16).padStart(8, '0')
