/**
 * The statistics of `benchmark`, held against what other programs compute and against chances that can be counted.
 * It exists because a wrong interval looks like a right one.
 */
import { describe, expect, it } from 'vitest';
import { median, medianInterval } from '../../js/report/statistics/bootstrap.js';
import { complementaryError, signedRanks } from '../../js/report/statistics/wilcoxon.js';
import { Random } from '../support/random.js';

describe('signed ranks', () => {
  const range = (count: number, valueAt: (index: number) => number) =>
    Array.from({ length: count }, (_, index) => valueAt(index));
  // scipy.stats.wilcoxon of SciPy 1.x, correction=False; exact up to 50 differences.
  const KNOWN: readonly (readonly [string, number[], positive: number, p: number])[] = [
    [
      '15 heights',
      [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75],
      96,
      0.041259765625,
    ],
    ['5 of one side', [1, 2, 3, 4, 5], 15, 0.0625],
    [
      '50 without ties',
      range(50, (i) => ((i * 37) % 53) - 20 + 0.5 * ((i * 7) % 2) + i / 1000),
      894,
      0.012568191503659065,
    ],
    [
      '60 without ties',
      range(60, (i) => ((i * 37) % 61) - 25 + i / 1000),
      1206,
      0.03217526217705323,
    ],
    [
      '200 with ties and zeros',
      range(200, (i) => ((i * 37) % 101) - 45),
      11734,
      0.01964228776823259,
    ],
    ['200 far from zero', range(200, (i) => ((i * 37) % 101) - 5), 19596, 1.4939285453217278e-33],
  ];

  it.each(KNOWN)('are those of SciPy: %s', (_, differences, positive, p) => {
    const found = signedRanks(differences);
    expect(found.positive).toBe(positive);
    expect(found.p / p).toBeCloseTo(1, 9);
  });

  it('do not depend on the order, and turn with the sign', () => {
    const random = new Random(5);
    for (let round = 0; round < 200; round++) {
      const differences = range(1 + random.below(90), () => random.below(21) - 8);
      const found = signedRanks(differences);
      const shuffled = differences.toSorted(() => random.uniform() - 0.5);
      expect(signedRanks(shuffled)).toEqual(found);
      const turned = signedRanks(differences.map((difference) => -difference));
      expect(turned.positive).toBe(found.negative);
      expect(turned.p).toBeCloseTo(found.p, 12);
      expect(turned.effect).toBeCloseTo(-found.effect, 12);
      const kept = differences.filter((difference) => difference !== 0).length;
      expect(found.positive + found.negative).toBe((kept * (kept + 1)) / 2);
      expect(found.p).toBeGreaterThan(0);
      expect(found.p).toBeLessThanOrEqual(1);
    }
  });

  it('with ties are counted out as every choice of signs has them', () => {
    const differences = [1, -1, 2, 2, -3, 3, 3, 0];
    const kept = differences.filter((difference) => difference !== 0);
    const { positive, p } = signedRanks(differences);
    const sums = range(2 ** kept.length, (signs) => {
      const flipped = kept.map(
        (difference, i) => Math.abs(difference) * ((signs >> i) & 1 ? 1 : -1),
      );
      return signedRanks(flipped).positive;
    });
    const share = (is: (sum: number) => boolean) => sums.filter(is).length / sums.length;
    const tails = [share((sum) => sum <= positive), share((sum) => sum >= positive)];
    expect(p).toBeCloseTo(Math.min(1, 2 * Math.min(...tails)), 12);
  });

  it('without any difference say nothing', () => {
    expect(signedRanks([])).toEqual({ count: 0, positive: 0, negative: 0, p: 1, effect: 0 });
    expect(signedRanks([0, 0]).p).toBe(1);
  });

  it('have the tail of a bell', () => {
    // scipy.special.erfc
    for (const [x, value] of [
      [0, 1],
      [0.1, 0.8875370839817152],
      [1, 0.15729920705028516],
      [1.9, 0.007209570764742531],
      [2, 0.004677734981047266],
      [3, 2.2090496998585445e-5],
      [8, 1.1224297172982928e-29],
      [20, 5.395865611607901e-176],
    ] as const) {
      expect(complementaryError(x) / value).toBeCloseTo(1, 11);
    }
  });
});

describe('the interval of a median', () => {
  it('of single values is the one that can be counted', () => {
    const random = new Random(3);
    let told = 0;
    for (const count of [3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 25, 31, 45]) {
      const values = Array.from({ length: count }, () => random.bell());
      const sorted = values.toSorted((a, b) => a - b);
      // The median of a sample is at most the value number k if more than half are among the first k.
      const atMost = sorted.map((_, k) => atLeast(count, (k + 1) / count, (count + 1) / 2));
      // Where 10,000 samples may fall on either side, nothing is expected.
      const isSure = [0.025, 0.975].every((share) =>
        atMost.every((chance) => Math.abs(chance - share) > 0.008),
      );
      if (!isSure) continue;
      told++;
      const { low, high } = medianInterval(
        values.map((value) => [value]),
        count,
      );
      expect(low).toBe(sorted[atMost.findIndex((chance) => chance > 0.025)]);
      expect(high).toBe(sorted[atMost.findIndex((chance) => chance > 0.975)]);
    }
    expect(told).toBeGreaterThan(4);
  });

  it('of blocks does not grow narrower by copies of each value', () => {
    const random = new Random(8);
    const values = Array.from({ length: 15 }, () => random.bell());
    const alone = medianInterval(
      values.map((value) => [value]),
      1,
    );
    const copied = medianInterval(
      values.map((value) => Array.from({ length: 9 }, () => value)),
      1,
    );
    expect(copied).toEqual(alone);
    const torn = medianInterval(
      values.flatMap((value) => Array.from({ length: 9 }, () => [value])),
      1,
    );
    expect(torn.high - torn.low).toBeLessThan(alone.high - alone.low);
  });

  it('holds the median of what was drawn from nearly as often as it says', () => {
    const random = new Random(11);
    let held = 0;
    for (let round = 0; round < 300; round++) {
      const values = Array.from({ length: 25 }, () => [random.bell() + 3]);
      const { low, high } = medianInterval(values, round, 500);
      if (low <= 3 && high >= 3) held++;
    }
    expect(held / 300).toBeGreaterThan(0.9);
    expect(held / 300).toBeLessThan(0.99);
  });

  it('is the same for a seed, and another for another', () => {
    const random = new Random(2);
    const blocks = Array.from({ length: 40 }, () => [random.bell(), random.bell()]);
    expect(medianInterval(blocks, 7, 100)).toEqual(medianInterval(blocks, 7, 100));
    const others = Array.from({ length: 5 }, (_, seed) => medianInterval(blocks, seed, 100));
    expect(new Set(others.map(({ low, high }) => `${low} ${high}`)).size).toBeGreaterThan(1);
  });

  it('holds the median itself', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
    expect(medianInterval([[5]], 1)).toEqual({ low: 5, high: 5 });
  });
});

/** The chance of `least` successes or more of `count`, each with the chance `p`. */
function atLeast(count: number, p: number, least: number): number {
  let sum = 0;
  for (let successes = least; successes <= count; successes++) {
    let ways = 1;
    for (let i = 0; i < successes; i++) ways *= (count - i) / (i + 1);
    sum += ways * p ** successes * (1 - p) ** (count - successes);
  }
  return sum;
}
