import { useEffect, useState } from 'preact/hooks'
import type { Group } from './model.ts'
import { fitTiles, type WallPage, type WallSize, wallPage } from './wall-page.ts'

const PAGE_MS = 12_000

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
    const observer = new ResizeObserver(([entry]) => {
      if (entry === undefined) return
      const em = Number.parseFloat(getComputedStyle(document.documentElement).fontSize)
      setSize(fitTiles(entry.contentRect.width, entry.contentRect.height, em))
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
