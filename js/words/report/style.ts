/** The style of the HTML report: the page's colours, system fonts, nothing that has to be fetched. */
export const STYLE = `
:root { color-scheme: light dark;
  --ground: #fff; --line: #d9dde3; --text: #1a1f27; --quiet: #56606e; --soft: #f5f6f8;
  --good: #1f5fd0; --low: #b07a00; --very-low: #b3261e; --warning: #fdf3dc; --failure: #fcebea; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #12151a; --line: #343b46; --text: #e7eaef; --quiet: #a3adba; --soft: #1b1f26;
  --good: #7fb0ff; --low: #f0c463; --very-low: #ff9c94; --warning: #2d2512; --failure: #361a19; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 24px; line-height: 1.25; margin: 8px 0 16px; overflow-wrap: anywhere; }
h2 { font-size: 17px; margin: 32px 0 8px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; }
dt { color: var(--quiet); } dd { grid-column: 2; margin: 0; overflow-wrap: anywhere; }
.note { padding: 8px 12px; border-radius: 8px; overflow-wrap: anywhere; }
.warning { background: var(--warning); } .failure { background: var(--failure); }
.quiet, footer { color: var(--quiet); }
footer { margin-top: 40px; font-size: 13px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; font-weight: normal; padding: 5px 20px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { color: var(--quiet); font-size: 13px; }
tbody th, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 13px; }
tbody th { white-space: normal; overflow-wrap: anywhere; min-width: 14em; }
.number { text-align: right; } td:last-child, th:last-child { padding-right: 0; }
td[style] { padding-left: 8px; padding-right: 8px; background: color-mix(in srgb, var(--low) calc(var(--shade) * .55), transparent); }
.unchanged td:last-child { white-space: normal; }
tr.low td:nth-child(3) { color: var(--low); } tr.very-low td:nth-child(3) { color: var(--very-low); }
pre { background: var(--soft); border-radius: 8px; padding: 12px; margin: 8px 0; white-space: pre-wrap; overflow-wrap: anywhere; }
details { margin-top: 24px; } summary { cursor: pointer; font-weight: 600; }
h3 { font-size: 15px; margin: 16px 0 4px; } h3 + .quiet { margin: 0; }
.histogram { height: auto; display: block; }
.histogram text { fill: var(--quiet); font-size: 12px; text-anchor: middle; }
.histogram .count { text-anchor: end; }
.histogram .grid { stroke: var(--line); }
.histogram .good { fill: var(--good); } .histogram .low { fill: var(--low); }
.histogram .very-low { fill: var(--very-low); }
.front { max-width: 100%; min-width: 560px; height: auto; display: block; }
.front text { fill: var(--quiet); font-size: 12px; }
.front .grid { stroke: var(--line); } .front .line { fill: none; stroke: var(--good); stroke-width: 1.5; }
.front .point { fill: var(--good); } .front .beaten { fill: var(--quiet); opacity: .35; }
.front .preset { fill: var(--low); }
@media print {
  :root { color-scheme: light;
    --ground: #fff; --line: #d9dde3; --text: #000; --quiet: #444; --soft: #fff;
    --good: #1f5fd0; --low: #7a5200; --very-low: #b3261e; --warning: #fff; --failure: #fff; }
  main { max-width: none; padding: 0; }
  .note, pre { border: 1px solid var(--line); }
  tr, pre, .note, svg { break-inside: avoid; } h1, h2, h3, summary { break-after: avoid; }
  thead { display: table-header-group; }
  th, td { white-space: normal; overflow-wrap: anywhere; } tbody th { min-width: 0; }
  .wide { overflow: visible; } .histogram { max-width: 100%; }
  details::details-content { content-visibility: visible; block-size: auto; } }
`;
