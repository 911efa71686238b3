import { useEffect, useState } from 'preact/hooks'
import type { Group } from './model.ts'

/** Nobody scrolls a wall screen: what does not fit is shown page after page. */
export interface WallPage {
  readonly groups: readonly Group[]
  /** From 0. */
  readonly page: number
  readonly pages: number
  readonly rows: number
}

export interface WallSize {
  readonly columns: number
  readonly rows: number
}

const PAGE_MS = 12_000
/** Below this a tile can no longer be read from three metres; in root ems, which grow with the screen. */
const CELL_MIN_EM = { width: 15, height: 9.4 }

/** The part of the groups that page `turn` shows, turns counting on for ever. Tiles keep their order; a group may go on overleaf. */
export const wallPage = (groups: readonly Group[], { columns, rows }: WallSize, turn: number): WallPage => {
  const perPage = Math.max(1, columns * rows)
  const total = groups.reduce((sum, { machines }) => sum + machines.length, 0)
  const pages = Math.max(1, Math.ceil(total / perPage))
  const page = turn % pages
  let skip = page * perPage
  let left = perPage
  const shown: Group[] = []
  for (const { kind, machines } of groups) {
    const part = machines.slice(skip, skip + left)
    skip = Math.max(0, skip - machines.length)
    left -= part.length
    if (part.length > 0) shown.push({ kind, machines: part })
  }
  return {
    groups: shown,
    page,
    pages,
    rows: Math.max(1, Math.min(rows, Math.ceil(Math.min(total, perPage) / columns))),
  }
}

/** How many tiles fit into a box of so many pixels. */
export const fitTiles = (widthPx: number, heightPx: number, emPx: number): WallSize => ({
  columns: Math.max(1, Math.floor(widthPx / (CELL_MIN_EM.width * emPx))),
  rows: Math.max(1, Math.floor(heightPx / (CELL_MIN_EM.height * emPx))),
})

/** The page to show now; the size follows the window. Undefined on a screen that is not a wall. */
export const useWall = (
  isWall: boolean,
  groups: readonly Group[],
  box: { current: HTMLElement | null },
): WallPage | undefined => {
  const [size, setSize] = useState<WallSize>({ columns: 4, rows: 3 })
  const [turn, setTurn] = useState(0)
  useEffect(() => {
    const element = box.current
    if (!isWall || element === null) return
    const observer = new ResizeObserver(() => {
      const em = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
      setSize(fitTiles(element.clientWidth, element.clientHeight, em))
    })
    observer.observe(element)
    const timer = setInterval(() => setTurn(before => before + 1), PAGE_MS)
    return () => {
      observer.disconnect()
      clearInterval(timer)
    }
  }, [isWall])
  return isWall ? wallPage(groups, size, turn) : undefined
}
