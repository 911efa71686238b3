import { createHash } from 'node:crypto'

export interface BoardView {
  readonly shop: string
  readonly agent: string
  readonly isMoved: boolean
  readonly serial: string | undefined
  readonly cardSerial: string | undefined
  /** To be sent back with the confirmation. */
  readonly token: string
  /** Somebody has confirmed, and the card could not be written to. */
  readonly isNotKept: boolean
}

/** The page of the agent on which somebody says that the card was moved; Japanese first, English beside it. */
export const boardPage = (view: BoardView): string =>
  page(`
${view.isNotKept ? note('カードに書き込めませんでした。何も変わっていません。しばらくしてからもう一度押してください。', 'The card could not be written to. Nothing has changed. Try again in a while.') : ''}
${view.isMoved ? moved(view) : settled(view)}
<p class="who">${escapeHtml(view.shop)} / ${escapeHtml(view.agent)}</p>`)

/** Says nothing of the agent: whoever asked may be a stranger. */
export const refusedPage = (): string =>
  page(`
${note('受け付けませんでした。この装置のアドレスでページを開き直し、そのボタンから送ってください。', 'Refused. Open the page anew by the address of this device, and use its button.')}
<p><a href="/board">${both('開き直す', 'Open it anew')}</a></p>`)

const page = (main: string): string => `<!doctype html>
<html lang="ja">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>基板の確認 – 仲間まわし</title>
<style>${STYLE}</style>
</head>
<body>
<header>仲間まわし <span lang="en">Nakama</span></header>
<main>${main}
</main>
</body>
</html>
`

const moved = ({ serial, cardSerial, token }: BoardView): string => `
<h1 class="stop">${both('送信を止めています', 'Nothing is being sent')}</h1>
${paragraph(
  'このカードは、別の基板で使われていたものです。機械の読み取りと記録は続けていますが、確認があるまで何も送信しません。',
  'This card was in use in another board. The machines are still read and recorded, but nothing is sent until somebody confirms.',
)}
${serials(cardSerial, serial)}
<section>
<h2>${both('カードを移した場合', 'If the card was moved')}</h2>
${paragraph(
  '基板の交換などでカードを差し替えたときは、もとの基板が動いていないことを確かめてから押してください。たまっている記録はすぐに送信されます。',
  'If the board was replaced, make sure that the former one no longer runs, then press. What has been recorded is sent at once.',
)}
<form method="post" action="/board">
<input type="hidden" name="token" value="${token}">
<button>${both('このカードはこの基板に移した', 'The card was moved to this board')}</button>
</form>
</section>
<section>
<h2>${both('カードを複製した場合', 'If the card was copied')}</h2>
${paragraph(
  '押さないでください。もとのカードと同じ名前で送信することになります。この装置には新しいエージェント名（<code>agent</code>）と空のフォルダ（<code>dataDir</code>）を設定し、新しく登録してください。',
  'Do not press: two agents would speak under one name. Enrol this one anew, with an agent id of its own (<code>agent</code>) and an empty folder (<code>dataDir</code>).',
)}
</section>`

const settled = ({ serial, cardSerial }: BoardView): string =>
  serial === undefined
    ? `
<h1>${both('基板は確認していません', 'The board is not checked')}</h1>
${paragraph(
  'このシステムは基板の番号を示しません。カードが移されたり複製されたりしても、気づくことはできません。',
  'This system tells no serial number of its board: a card that was moved or copied would not be noticed.',
)}
${serials(cardSerial, serial)}`
    : `
<h1 class="good">${both('問題はありません', 'All is well')}</h1>
${paragraph('このカードは、この基板のものです。することはありません。', 'This card belongs to this board. There is nothing to do.')}
${serials(cardSerial, serial)}`

const serials = (cardSerial: string | undefined, serial: string | undefined): string => `<dl>
<div><dt>${both('カードが覚えている基板', 'Board that the card knows')}</dt><dd>${number(cardSerial)}</dd></div>
<div><dt>${both('いま入っている基板', 'Board that it is in')}</dt><dd>${number(serial)}</dd></div>
</dl>`

const note = (ja: string, en: string): string => `<div class="note" role="alert">${paragraph(ja, en)}</div>`

const both = (ja: string, en: string): string => `${ja} <span lang="en">${en}</span>`

const paragraph = (ja: string, en: string): string => `<p>${ja}</p>\n<p lang="en">${en}</p>`

const number = (serial: string | undefined): string =>
  serial === undefined ? '–' : `<code>${escapeHtml(serial)}</code>`

const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)

const STYLE = `
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
[lang=en], .who { color: var(--soft); font-size: .9rem; line-height: 1.45 }
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

const styleHash = createHash('sha256').update(STYLE).digest('base64')

/** Nothing but this page's own style and its one form; in nobody's frame. */
export const BOARD_PAGE_POLICY = `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`
