// Takes the pictures of the page: its states for docs/pictures, and the one that links to it show.
// Why: what a page looks like is looked at before it is read about, and pictures that are taken by hand grow old.
// Always: of the site that was built last, with a model that is made here from a fixed seed.
//
// node scripts/pictures.mjs [--only NAME] [--talk FOLDER]     talks to the model in the folder, too

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright';
import { preview } from 'vite';
import { runMain } from './run.mjs';

const ROOT = join(import.meta.dirname, '..');
const PICTURES = join(ROOT, 'docs/pictures');
const SHARED = join(ROOT, 'web/page/public/picture.png');
const LAYERS = 24;
const [WORDS, WIDTH, NARROW, HIDDEN] = [4096, 256, 64, 704];

/** @typedef {{ name: string, shape: number[], outliers: number }} Made */
/** @typedef {import('playwright').Page} Page */

/** Of each tensor, how many weights lie far out: some layers have none, as in real models. */
function tensors() {
  /** @type {Made[]} */
  const made = [];
  const add = (/** @type {string} */ name, /** @type {number[]} */ shape, outliers = 0) =>
    made.push({ name: `${name}.weight`, shape, outliers });
  add('model.embed_tokens', [WORDS, WIDTH]);
  for (let layer = 0; layer < LAYERS; layer++) {
    const own = `model.layers.${layer}`;
    add(`${own}.input_layernorm`, [WIDTH]);
    add(`${own}.self_attn.q_proj`, [WIDTH, WIDTH], layer % 5);
    add(`${own}.self_attn.k_proj`, [NARROW, WIDTH], layer % 3);
    add(`${own}.self_attn.v_proj`, [NARROW, WIDTH], 1);
    add(`${own}.self_attn.o_proj`, [WIDTH, WIDTH], layer % 7);
    add(`${own}.post_attention_layernorm`, [WIDTH]);
    add(`${own}.mlp.gate_proj`, [HIDDEN, WIDTH], layer % 4);
    add(`${own}.mlp.up_proj`, [HIDDEN, WIDTH], layer % 6);
    add(`${own}.mlp.down_proj`, [WIDTH, HIDDEN], (layer * 7) % 11);
  }
  add('model.norm', [WIDTH]);
  add('lm_head', [WORDS, WIDTH]);
  return made;
}

/** A language model of BF16 weights, as a safetensors file. @param {string} path */
function writeModel(path) {
  const made = tensors();
  /** @type {Record<string, unknown>} */
  const header = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const { name, shape } of made) {
    const bytes = 2 * elements(shape);
    header[name] = { dtype: 'BF16', shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const text = JSON.stringify(header);
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const data = Buffer.alloc(end);
  const uniform = uniformNumbers(1);
  const [float, halves] = floatAndHalves();
  let at = 0;
  for (const { shape, outliers } of made) {
    for (let left = elements(shape); left > 0; left--) {
      const isFar = uniform() < 2e-4 * outliers;
      const near = 0.05 * (uniform() + uniform() + uniform() - 1.5);
      float[0] = shape.length === 1 ? 1 : near * (isFar ? 8 + 4 * outliers : 1);
      // BF16 is the upper half of F32.
      data.writeUInt16LE(halves[1] ?? 0, at);
      at += 2;
    }
  }
  writeFileSync(path, Buffer.concat([length, json, data]));
}

/** @param {number[]} shape */
function elements(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

/** @returns {[Float32Array, Uint16Array]} */
function floatAndHalves() {
  const float = new Float32Array(1);
  return [float, new Uint16Array(float.buffer)];
}

/** Mulberry32. @param {number} seed */
function uniformNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param {Page} page */
async function run(page) {
  await page.getByRole('button', { name: 'Quantize', exact: true }).click();
  await page.locator('h2.state').filter({ hasText: 'Done' }).waitFor({ state: 'attached' });
  await page.mouse.move(0, 0);
}

/** Over nothing that scrolls by itself. @param {Page} page @param {number} pixels */
async function scroll(page, pixels) {
  await page.mouse.move(2, 400);
  await page.mouse.wheel(0, pixels);
  await page.waitForTimeout(200);
}

/** @param {Page} page @param {string} model */
async function open(page, model) {
  await page.locator('.drop input[type=file]').first().setInputFiles(model);
  await page.locator('.result .ratio').first().waitFor();
  // Until the sizes of all presets are known.
  await page.waitForTimeout(800);
}

/** Each begins where the one before has ended. @type {Record<string, (page: Page, model: string) => Promise<void>>} */
const STATES = {
  empty: async () => {},
  open,
  done: run,
  tensor: async (page) => {
    await page.locator('.result .short').click();
    await page.locator('.histogram canvas').nth(1).waitFor();
  },
  runs: async (page) => {
    await page.keyboard.press('Escape');
    await page.getByRole('radio', { name: 'INT4' }).check();
    await page.waitForTimeout(500);
    await run(page);
    await page.getByRole('heading', { name: 'Runs side by side' }).scrollIntoViewIfNeeded();
  },
  use: async (page) => {
    await page.getByRole('button', { name: 'PyTorch' }).click();
    await page.getByRole('heading', { name: 'What came out' }).scrollIntoViewIfNeeded();
    await scroll(page, 500);
  },
  mixed: async (page) => {
    await scroll(page, -10_000);
    await page.getByRole('application').focus();
    for (const key of ['ArrowDown', ...Array(6).fill('ArrowDown'), '8']) {
      await page.keyboard.press(key);
    }
    await page.waitForTimeout(600);
  },
  keys: async (page) => {
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  },
  table: async (page) => {
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^INT4/ }).first().click();
    await page.getByRole('button', { name: 'SQNR' }).click();
    await page.getByRole('heading', { name: 'Tensors', exact: true }).scrollIntoViewIfNeeded();
    await scroll(page, 600);
  },
  compare: async (page) => {
    await scroll(page, -10_000);
    await page.getByRole('radio', { name: 'Compare' }).check();
  },
};

/** A digit that two bits get wrong. @param {Page} page */
async function draw(page) {
  await page.getByRole('button', { name: 'Draw a digit' }).click();
  await page.getByRole('slider').fill('2');
  await page.getByRole('checkbox', { name: /^the first and the last/ }).check();
  await page.getByRole('button', { name: /^Show an image that only float gets right/ }).click();
  await page.mouse.move(0, 0);
}

/** @param {Page} page @param {string} folder */
async function talk(page, folder) {
  await page.locator('.drop input[type=file]').nth(1).setInputFiles(folder);
  await page.getByRole('button', { name: 'Make both and start' }).click();
  await page.getByRole('button', { name: 'Ask both' }).click({ timeout: 300_000 });
  await page
    .getByText(/ a second$/)
    .nth(1)
    .waitFor({ timeout: 600_000 });
  await page.locator('.talk').evaluate((card) => card.scrollIntoView({ block: 'center' }));
  await page.mouse.move(0, 0);
}

/** @param {import('playwright').BrowserContext} context @param {string} url */
async function visit(context, url) {
  const page = await context.newPage();
  await page.goto(url);
  await page.locator('.badge').filter({ hasText: 'Engine ready' }).waitFor();
  return page;
}

async function main() {
  const { values } = parseArgs({ options: { only: { type: 'string' }, talk: { type: 'string' } } });
  const folder = mkdtempSync(join(tmpdir(), 'monoquant-pictures-'));
  const model = join(folder, 'llama-mini.safetensors');
  const server = await preview({
    root: join(ROOT, 'web/page'),
    configFile: join(ROOT, 'vite.config.ts'),
  });
  const url = server.resolvedUrls?.local[0] ?? '';
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  try {
    writeModel(model);
    mkdirSync(PICTURES, { recursive: true });
    const page = await visit(
      await browser.newContext({ viewport: { width: 1280, height: 800 } }),
      url,
    );
    for (const [name, reach] of Object.entries(STATES)) {
      await reach(page, model);
      if (values.only !== undefined && values.only !== name) continue;
      await page.screenshot({ path: join(PICTURES, `${name}.png`) });
    }
    const phone = await visit(
      await browser.newContext({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' }),
      url,
    );
    await open(phone, model);
    await run(phone);
    await phone.screenshot({ path: join(PICTURES, 'phone.png') });
    if (values.talk !== undefined) {
      const talking = await visit(
        await browser.newContext({ viewport: { width: 1280, height: 720 } }),
        url,
      );
      await talk(talking, values.talk);
      await talking.screenshot({ path: join(PICTURES, 'talk.png') });
    }
    const digits = await visit(
      await browser.newContext({ viewport: { width: 1280, height: 720 } }),
      url,
    );
    await draw(digits);
    await digits.screenshot({ path: join(PICTURES, 'digits.png') });
    const shared = await visit(
      await browser.newContext({ viewport: { width: 1200, height: 630 } }),
      url,
    );
    await open(shared, model);
    await run(shared);
    await shared.screenshot({ path: SHARED });
  } finally {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

runMain(main);
