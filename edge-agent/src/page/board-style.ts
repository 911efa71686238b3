/** Few things, large: for a phone held beside a board that was just changed. */
export const BOARD_STYLE = `
:root { color-scheme: light dark; --paper: #edf0f4; --card: #fff; --ink: #14202e; --soft: #475465; --line: #d3dae3;
  --top: #10233f; --top-soft: #b5c5da; --stop: #b32424; --good: #1d7d46; --wait: #ffe2ad; --wait-ink: #6b3a00; --press: #1a66bd }
@media (prefers-color-scheme: dark) { :root { --paper: #0b121b; --card: #18232f; --ink: #eaf0f7; --soft: #a9b8c9;
  --line: #2b3949; --top: #101a26; --stop: #ff8f8f; --good: #6fd39a; --wait: #4a3512; --wait-ink: #ffe2ad } }
* { box-sizing: border-box; margin: 0 }
body { background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 system-ui, "Noto Sans CJK JP", "Noto Sans JP", sans-serif }
header { background: var(--top); color: #fff; font-weight: 700; padding: .7rem max(1rem, calc((100% - 34rem) / 2)) }
main { max-width: 36rem; margin: 0 auto; padding: 1rem; display: grid; gap: 1rem }
h1 { font-size: 1.6rem; line-height: 1.3 }
h2 { font-size: 1.15rem; line-height: 1.4; margin-bottom: .4rem }
.stop { color: var(--stop) }
.good { color: var(--good) }
code { font-family: ui-monospace, "Noto Sans Mono", monospace; line-height: 1 }
[lang=en] { color: var(--soft); font-size: .9rem; line-height: 1.45 }
h1 [lang=en], h2 [lang=en], dt [lang=en], button [lang=en] { display: block; font-weight: 400 }
header [lang=en] { color: var(--top-soft); margin-left: .4rem }
main > p[lang=en] { margin-top: -.7rem }
dl, section, .note { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .9rem 1rem }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .9rem 1rem }
dd { font-size: 1.15rem; font-weight: 700; letter-spacing: .03em; overflow-wrap: anywhere; margin-top: .2rem }
.note { background: var(--wait); color: var(--wait-ink) }
.note [lang=en] { color: inherit }
a { color: inherit }
button { width: 100%; min-height: 4rem; margin-top: .9rem; padding: .6rem 1rem; border: 0; border-radius: .6rem; cursor: pointer;
  background: var(--press); color: #fff; font: inherit; font-size: 1.15rem; font-weight: 700; line-height: 1.4 }
button [lang=en] { color: inherit }
button:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px }
`
