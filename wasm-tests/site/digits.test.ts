/**
 * The demonstration: a classifier that answers what somebody draws, in float and in fewer bits.
 * It exists because answers that are not those of the files would be a trick.
 * What the page shows is compared with the same network on the files that the package writes in Node.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { load, type PlanOptions, quantize } from '#package/node';
import { imageOf, type Point } from '../../web/page/digits/drawing.js';
import {
  answerOf,
  classify,
  isDigits,
  SHAPES,
  type Weights,
} from '../../web/page/digits/network.js';
import { Folder } from '../support/cli.js';
import { type Visit, visitors } from './visit.js';

// Thousands of images are answered, which takes a busy machine a while.
vi.setConfig({ testTimeout: 240_000 });
const PATIENCE = { timeout: 120_000 };

const visit = visitors();
const folder = new Folder();
const EXAMPLES = join(import.meta.dirname, '../../examples');
const DIGITS = join(EXAMPLES, 'digits.safetensors');
const EVERYWHERE: PlanOptions = { bits: 2, defaultIgnore: false, minElements: 0 };
let images: readonly Float32Array[] = [];
let labels: readonly number[] = [];

beforeAll(async () => {
  const tensors = await load(join(EXAMPLES, 'digits_test.safetensors'));
  const pixels = (await tensors.tensor('images')).bytes;
  labels = Array.from((await tensors.tensor('labels')).bytes);
  images = labels.map((_, at) =>
    Float32Array.from(pixels.subarray(64 * at, 64 * (at + 1)), (value) => value / 16),
  );
  await tensors.close();
});

async function weightsOf(path: string): Promise<Weights> {
  const tensors = await load(path);
  const weights: Record<string, Float32Array> = {};
  for (const name of Object.keys(SHAPES)) {
    weights[name] = (await tensors.tensor(name)).toTypedArray() as Float32Array;
  }
  await tensors.close();
  return weights;
}

async function quantized(name: string, options: PlanOptions) {
  const output = folder.at(name);
  const { report } = await quantize(DIGITS, { ...options, output });
  return { weights: await weightsOf(output), bytes: report.sizes.outputBytes };
}

const rightOf = (weights: Weights) =>
  images.filter((image, at) => answerOf(classify(weights, image)) === labels[at]).length;
const shareOf = (weights: Weights) =>
  `${((100 * rightOf(weights)) / labels.length).toFixed(1)} % right`;

/** The columns as they are read: title, answer, shares of the ten digits, size, accuracy. */
async function columns({ page }: Visit) {
  return page.locator('.answers > li').evaluateAll((found) =>
    found.map((column) => ({
      title: column.querySelector('h3')?.textContent,
      answer: column.querySelector('.answer')?.childNodes[1]?.textContent,
      shares: Array.from(column.querySelectorAll('.share'), ({ textContent }) => textContent),
      bytes: column.querySelector('.cost strong')?.textContent,
      accuracy: column.querySelectorAll('.cost')[1]?.textContent,
    })),
  );
}

async function begin(visitor: Visit): Promise<void> {
  await visitor.page.getByRole('button', { name: 'Draw a digit' }).click();
  await visitor.opened('digits.safetensors');
  await counted(visitor, 4);
}

async function counted({ page }: Visit, count: number): Promise<void> {
  await expect.poll(() => page.getByText('% right').count(), PATIENCE).toBe(count);
}

async function draw(
  { page }: Visit,
  points: readonly (readonly [number, number])[],
): Promise<void> {
  const box = await page.locator('.paper canvas').boundingBox();
  if (box === null) throw new Error('There is no pad.');
  for (const [index, [x, y]] of points.entries()) {
    await page.mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: 4 });
    if (index === 0) await page.mouse.down();
  }
  await page.mouse.up();
}

const ONE = [
  [0.5, 0.1],
  [0.5, 0.9],
] as const;

describe('the network', () => {
  it('answers as many test images right as PyTorch counts for the same weights', async () => {
    // examples/README.md has the number.
    expect(rightOf(await weightsOf(DIGITS))).toBe(487);
    expect(rightOf(await weightsOf(join(EXAMPLES, 'digits.pt')))).toBe(487);
  });

  it('is known by names and shapes', () => {
    const tensors = Object.entries(SHAPES).map(([name, shape]) => ({ name, shape }));
    expect(isDigits(tensors)).toBe(true);
    expect(isDigits(tensors.slice(1))).toBe(false);
    expect(isDigits(tensors.map((each) => ({ ...each, shape: [...each.shape, 1] })))).toBe(false);
  });
});

describe('a drawing', () => {
  const line: readonly Point[] = [
    { x: 100, y: 20 },
    { x: 100, y: 60 },
  ];

  it('fills the image from top to bottom, in its middle, wherever and however large it was made', () => {
    const image = imageOf([line]);
    const elsewhere = imageOf([line.map(({ x, y }) => ({ x: 3 * x + 7, y: 3 * y - 50 }))]);
    expect(elsewhere).toEqual(image);
    const row = (at: number) => Array.from(image?.subarray(8 * at, 8 * at + 8) ?? []);
    for (let at = 0; at < 8; at++) {
      expect(row(at).every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(Math.max(...row(at))).toBeGreaterThan(0.4);
      expect(row(at)).toEqual(row(at).reverse());
    }
  });

  it('is nothing without a stroke, and a dot in the middle with a touch', () => {
    expect(imageOf([])).toBeUndefined();
    expect(imageOf([[{ x: 5, y: 5 }]])?.[27]).toBeGreaterThan(0);
  });
});

it('shows the answers, sizes and accuracies of the files that the package writes', async () => {
  const visitor = await visit();
  const { page } = visitor;
  await begin(visitor);
  await page.getByRole('slider').fill('2');
  await page.getByRole('checkbox', { name: /^the first and the last layer/ }).check();
  await counted(visitor, 4);
  const show = page.getByRole('button', { name: /^Show an image that only float gets right/ });
  await show.click(PATIENCE);
  const [, number = ''] =
    /^Image (\d+) of 500/.exec(await page.getByText(/^Image \d+ of 500/).innerText()) ?? [];
  const image = images[Number(number) - 1] ?? [];
  const files = [
    { weights: await weightsOf(DIGITS), bytes: 359_944 },
    await quantized('int8.safetensors', { bits: 8 }),
    await quantized('int4.safetensors', { bits: 4 }),
    await quantized('int2.safetensors', EVERYWHERE),
  ];
  const shown = await columns(visitor);
  expect(shown.map(({ title }) => title)).toEqual(['Float', 'INT8', 'INT4', 'INT2, all']);
  for (const [index, { weights, bytes }] of files.entries()) {
    const probabilities = classify(weights, image);
    expect(shown[index]).toMatchObject({
      answer: String(answerOf(probabilities)),
      shares: Array.from(probabilities, (value) => `${Math.round(100 * value)} %`),
      bytes: `${(bytes / 1000).toFixed(1)} kB`,
      accuracy: shareOf(weights),
    });
  }
  // What was asked for: float is right, and 2 bits everywhere are not.
  const label = labels[Number(number) - 1];
  expect(shown[0]?.answer).toBe(String(label));
  expect(shown[3]?.answer).not.toBe(String(label));
});

it('answers what is drawn, and what a run makes of it', async () => {
  const visitor = await visit();
  await begin(visitor);
  await draw(visitor, ONE);
  const answers = async () => (await columns(visitor)).map(({ answer }) => answer);
  await expect.poll(answers).toEqual(['1', '1', '1', '1']);
  await visitor.choose('INT4');
  await visitor.quantize();
  await counted(visitor, 5);
  const [, , int4, , own] = await columns(visitor);
  expect(own?.title).toMatch(/^Your INT4/);
  expect({ ...own, title: '' }).toEqual({ ...int4, title: '' });
  await visitor.page.getByRole('button', { name: 'Clear' }).click();
  await visitor.page.getByText('Image 1 of 500').waitFor();
});

it('by keyboard alone: test images and bits', async () => {
  const visitor = await visit();
  const { page } = visitor;
  await begin(visitor);
  await page.getByRole('button', { name: 'A test image of 7' }).focus();
  await page.keyboard.press('Enter');
  await expect.poll(async () => (await columns(visitor))[0]?.answer).toBe('7');
  await page.getByRole('slider').focus();
  await page.keyboard.press('ArrowLeft');
  await expect.poll(async () => (await columns(visitor))[3]?.title).toBe('INT2');
});

it('fetches its files from this site when it is asked for, once, and nothing else', async () => {
  const visitor = await visit();
  await visitor.worksOffline();
  const before = visitor.server.requests.length;
  await begin(visitor);
  const fetched = () =>
    visitor.server.requests.slice(before).filter((path) => path !== 'service-worker.js');
  const names = fetched().map((path) => path.replace(/-[\w-]{8}(?=\.)/, ''));
  expect(names.sort()).toEqual(['assets/digits.safetensors', 'assets/digits_test.safetensors']);
  // From then on it is there without a network, too.
  await visitor.server.stop();
  await visitor.page.reload();
  await visitor.badge('works offline').waitFor();
  await begin(visitor);
});

it('asks before it fetches anything for a file of the visitor', async () => {
  const visitor = await visit();
  await visitor.worksOffline();
  const before = visitor.server.requests.length;
  await visitor.pick(join(EXAMPLES, 'digits.pt'));
  await visitor.opened('digits.pt');
  await visitor.planned();
  const own = () => visitor.server.requests.slice(before).filter((path) => /digits/.test(path));
  expect(own()).toEqual([]);
  await visitor.page.getByRole('button', { name: 'Fetch the test images and draw' }).click();
  await counted(visitor, 4);
  expect(own().length).toBe(1);
});
