import { useEffect, useState } from 'preact/hooks'
import { openFeed } from './feed.ts'
import { NOTHING_YET, type Picture, stepPicture } from './picture.ts'

/** What is true now, as the stream of events tells it. */
export const useLive = (): Picture => {
  const [picture, setPicture] = useState(NOTHING_YET)
  useEffect(() => openFeed(input => setPicture(before => stepPicture(before, input, Date.now()))), [])
  return picture
}

/** The server's time, ticking. */
export const useNow = (offsetMs: number, everyMs: number): number => {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now + offsetMs
}
