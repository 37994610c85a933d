// Draws what ways to choose bits were worth: a panel a model, bits a weight from left to right, losses upwards.
// Why: a table of some thirty rows hides that two of three curves lie on each other.
// Always: plain SVG without scripts or fonts of its own, readable on light and dark.

/** @typedef {import('./conformance-table.mjs').Case} Case */

const PANEL = { width: 340, height: 240, left: 58, right: 14, top: 34, bottom: 40 };
const COLOURS = { 'one setting': '#888888', budget: '#0a7', search: '#c50' };
const DASHES = { 'one setting': '', budget: '', search: '5 4' };

/**
 * @param {Case[]} cases
 * @returns {string}
 */
export function searchPicture(cases) {
  const measured = cases.filter(({ budget, verdict }) => budget !== undefined && verdict === 'ok');
  const models = [...new Set(measured.map(({ model }) => model ?? ''))];
  const panels = models.map((model, index) => {
    const own = measured.filter((found) => found.model === model);
    return `<g transform="translate(${index * PANEL.width} 0)">${panel(model, own)}</g>`;
  });
  const width = models.length * PANEL.width;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${PANEL.height}" width="${width}" height="${PANEL.height}" font-family="sans-serif" font-size="11" fill="#888"><title>What ways to choose bits are worth</title>${panels.join('')}</svg>\n`;
}

/** @param {number} value */
function tenths(value) {
  return Math.round(value * 10) / 10;
}

/** @param {Case} found */
function lossOf({ divergence, cosine }) {
  return divergence ?? 1 - (cosine ?? 1);
}

/**
 * @param {string} model
 * @param {Case[]} cases
 */
function panel(model, cases) {
  const { width, height, left, right, top, bottom } = PANEL;
  const bits = cases.map(({ budget = 0 }) => budget);
  const losses = cases.map(lossOf).filter((loss) => loss > 0);
  const [low, high] = [Math.min(...bits), Math.max(...bits)];
  const [least, most] = [Math.log10(Math.min(...losses)), Math.log10(Math.max(...losses))];
  const x = (/** @type {number} */ value) =>
    tenths(left + ((value - low) / (high - low || 1)) * (width - left - right));
  const y = (/** @type {number} */ loss) =>
    tenths(top + ((most - Math.log10(loss)) / (most - least || 1)) * (height - top - bottom));
  const isText = cases.some(({ divergence }) => divergence !== undefined);
  const parts = [
    `<text x="${left}" y="16" font-weight="bold">${model}: ${isText ? 'divergence, nats' : '1 − cosine'}</text>`,
    ...[...new Set(bits)].map(
      (bit) => `<text x="${x(bit)}" y="${height - 22}" text-anchor="middle">${bit}</text>`,
    ),
    `<text x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">bits a weight</text>`,
    ...[10 ** least, 10 ** ((least + most) / 2), 10 ** most].map(
      (loss) =>
        `<text x="${left - 8}" y="${y(loss) + 4}" text-anchor="end">${Number(loss.toPrecision(2))}</text>`,
    ),
  ];
  for (const [index, [way, colour]] of Object.entries(COLOURS).entries()) {
    const own = cases.filter((found) => found.way === way && lossOf(found) > 0);
    const points = own.map((found) => `${x(found.budget ?? 0)},${y(lossOf(found))}`);
    parts.push(
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${DASHES[way]}"/>`,
      ...points.map((point) => {
        const [cx, cy] = point.split(',');
        return `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`;
      }),
      `<text x="${width - right}" y="${top + 14 * index}" text-anchor="end" fill="${colour}">${way}</text>`,
    );
  }
  return parts.join('');
}
