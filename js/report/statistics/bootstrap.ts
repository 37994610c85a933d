/**
 * How sure a median is: the interval that holds 95 % of the medians of samples drawn anew, whole blocks at a time.
 * Tensors of one layer are alike, so a layer is drawn or is not: single tensors would make every interval too small.
 * A seed decides everything, and the same numbers come out on every machine.
 */

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export const SAMPLES = 10_000;
const OUTSIDE = 0.05;

/** Of values in any order; NaN if there are none. The mean of the two in the middle, if there are two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return middle(sorted.length, (index) => sorted[index] ?? Number.NaN);
}

/** `blocks` holds values in groups; at least one value. */
export function medianInterval(
  blocks: readonly (readonly number[])[],
  seed: number,
  samples = SAMPLES,
): Interval {
  const sorted = blocks
    .flatMap((values, block) => values.map((value) => ({ value, block })))
    .sort((a, b) => a.value - b.value);
  const medians = new Float64Array(samples);
  const drawn = new Uint32Array(blocks.length);
  let counter = 0;
  for (let sample = 0; sample < samples; sample++) {
    drawn.fill(0);
    let size = 0;
    for (let draw = 0; draw < blocks.length; draw++) {
      const block = Math.floor(uniform(seed, counter++) * blocks.length);
      drawn[block] = (drawn[block] ?? 0) + 1;
      size += blocks[block]?.length ?? 0;
    }
    medians[sample] = medianOfDrawn(sorted, drawn, size);
  }
  medians.sort();
  const outside = Math.floor((samples * OUTSIDE) / 2);
  return {
    low: medians[outside] ?? Number.NaN,
    high: medians[samples - 1 - outside] ?? Number.NaN,
  };
}

/** Values are sorted; each is there as often as its block was drawn. */
function medianOfDrawn(
  sorted: readonly { readonly value: number; readonly block: number }[],
  drawn: Uint32Array,
  size: number,
): number {
  let at = 0;
  let passed = drawn[sorted[0]?.block ?? 0] ?? 0;
  // Asked for in rising order.
  return middle(size, (index) => {
    while (passed <= index) passed += drawn[sorted[++at]?.block ?? 0] ?? 0;
    return sorted[at]?.value ?? Number.NaN;
  });
}

function middle(count: number, valueAt: (index: number) => number): number {
  if (count === 0) return Number.NaN;
  if (count % 2 === 1) return valueAt((count - 1) / 2);
  const first = valueAt(count / 2 - 1);
  return (first + valueAt(count / 2)) / 2;
}

/** From 0 to 1, 1 excluded: the number `counter` of the sequence of `seed`, whatever was asked for before. */
function uniform(seed: number, counter: number): number {
  let mixed = (Math.imul(counter, 0x9e3779b1) + Math.imul(seed, 0x85ebca77)) >>> 0;
  for (const factor of [0x7feb352d, 0x846ca68b, 0x2c1b3c6d]) {
    mixed = Math.imul(mixed ^ (mixed >>> 16), factor) >>> 0;
    mixed = (mixed ^ (mixed >>> 15)) >>> 0;
  }
  return mixed / 2 ** 32;
}
