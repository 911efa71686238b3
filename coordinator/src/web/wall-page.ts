import type { Group } from './model.ts'

/** Nobody scrolls a wall screen: what does not fit is shown page after page. */
export interface WallPage {
  readonly groups: readonly Group[]
  /** From 0. */
  readonly page: number
  readonly pages: number
  readonly columns: number
  readonly rows: number
  /** There are so many machines that only the free ones are shown. */
  readonly freeOnly: boolean
}

export interface WallSize {
  readonly columns: number
  readonly rows: number
}

/** Nobody waits longer than this many pages for a machine to come round. */
const PAGES_MAX = 6
/** Below this a tile cannot hold what it says, in letters that are read from three metres. Root ems, which grow with the screen. */
const CELL_MIN_EM = { width: 14.6, height: 10.3 }
const GAP_EM = { width: 0.75, height: 0.5 }

/**
 * The part of the groups that page `turn` shows, turns counting on for ever. Tiles keep their order; a group may go on
 * overleaf. When all would be too many pages, only the free machines go round: they are what people look up for.
 */
export const wallPage = (groups: readonly Group[], { columns, rows }: WallSize, turn: number): WallPage => {
  const perPage = Math.max(1, columns * rows)
  const freeOnly = count(groups) > perPage * PAGES_MAX
  const shown = freeOnly ? freeOf(groups) : groups
  const total = count(shown)
  const pages = Math.max(1, Math.ceil(total / perPage))
  const page = turn % pages
  const rowsUsed = Math.min(rows, Math.ceil(total / columns))
  return { groups: slice(shown, page * perPage, perPage), page, pages, columns, rows: Math.max(1, rowsUsed), freeOnly }
}

/** How many tiles fit into a box of so many pixels. */
export const fitTiles = (widthPx: number, heightPx: number, emPx: number): WallSize => ({
  columns: howMany(widthPx / emPx, CELL_MIN_EM.width, GAP_EM.width),
  rows: howMany(heightPx / emPx, CELL_MIN_EM.height, GAP_EM.height),
})

const howMany = (boxEm: number, cellEm: number, gapEm: number): number =>
  Math.max(1, Math.floor((boxEm + gapEm) / (cellEm + gapEm)))

const count = (groups: readonly Group[]): number => groups.reduce((sum, { machines }) => sum + machines.length, 0)

const freeOf = (groups: readonly Group[]): Group[] =>
  groups.map(({ kind, machines }) => ({ kind, machines: machines.filter(({ free }) => free) }))

const slice = (groups: readonly Group[], from: number, length: number): Group[] => {
  let skip = from
  let left = length
  return groups.flatMap(({ kind, machines }) => {
    const part = machines.slice(skip, skip + left)
    skip = Math.max(0, skip - machines.length)
    left -= part.length
    return part.length === 0 ? [] : [{ kind, machines: part }]
  })
}
