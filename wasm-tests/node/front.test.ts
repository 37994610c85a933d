/**
 * What is said of fronts: ranks, gains, and which points are shown.
 * It exists because one line of text stands for hundreds of points, and must be true.
 */
import { describe, expect, it } from 'vitest';
import type { FrontGain } from '../../js/api/front.js';
import { agreementOf, gainOf, rankCorrelation, shownOf } from '../../js/report/front.js';
import { gainWords } from '../../js/words/front/tables.js';

describe('the rank correlation', () => {
  it('is that of ranks, whatever the distances', () => {
    expect(rankCorrelation([1, 2, 3, 4], [10, 100, 1000, 1e9])).toBeCloseTo(1, 12);
    expect(rankCorrelation([1, 2, 3, 4], [4, 3, 2, 1])).toBeCloseTo(-1, 12);
    // By hand: ranks 1 2 3 4 5 and 2 1 4 3 5, squared differences 1 1 1 1 0: 1 - 6 * 4 / (5 * 24).
    expect(rankCorrelation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5])).toBeCloseTo(0.8, 12);
  });

  it('shares ranks among equals', () => {
    // By hand: ranks 1 2.5 2.5 4 and 1 2 3 4: 4.5 / sqrt(4.5 * 5).
    expect(rankCorrelation([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(Math.sqrt(0.9), 12);
  });

  it('is none of two points, or of equal ones', () => {
    expect(rankCorrelation([1, 2], [1, 2])).toBeNull();
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNull();
  });
});

describe('the gain', () => {
  const point = (number: number, error: number, hullError: number) => ({
    number,
    error,
    hullError,
  });

  it('is what the error is smaller by at equal bytes', () => {
    expect(gainOf([point(1, 4, 4), point(2, 3, 4), point(3, 0, 0)])).toEqual({
      meanPercent: 25 / 3,
      largestPercent: 25,
      number: 2,
    });
    expect(gainOf([])).toBeUndefined();
  });

  it('is called nothing if it is nothing', () => {
    const words = (
      largestPercent: number,
      objectives: readonly ('error' | 'worst' | 'bytes')[],
    ) => {
      const gain: FrontGain = { meanPercent: 0, largestPercent, number: 7 };
      return gainWords({ gain, objectives });
    };
    expect(words(0.01, ['error', 'bytes'])).toMatch(/^adds nothing .* two sums need no search/);
    expect(words(0.01, ['error', 'worst', 'bytes'])).toMatch(/^adds nothing .* smaller worst/);
    expect(words(2.5, ['error', 'bytes'])).toMatch(/up to 2\.5 % less .*\(#7\)/);
  });
});

describe('points that are shown', () => {
  it('are both ends, those that are wanted, and some between', () => {
    expect(shownOf(5, 12, () => false)).toEqual([0, 1, 2, 3, 4]);
    const shown = shownOf(100, 6, (index) => index === 40);
    expect(shown).toHaveLength(6);
    expect(shown).toEqual(expect.arrayContaining([0, 40, 99]));
    expect(shownOf(1, 12, () => false)).toEqual([0]);
    expect(shownOf(0, 12, () => false)).toEqual([]);
  });

  it('are compared with what was measured', () => {
    const point = (bytes: number, error: number, measured?: number) => ({
      number: 1,
      bytes,
      error,
      worst: error,
      bitsPerWeight: 4,
      hullError: error,
      choice: [],
      ...(measured !== undefined && { measured: { bytes: bytes + 8, error: measured, worst: 0 } }),
    });
    expect(agreementOf([point(1, 1)])).toBeUndefined();
    const points = [point(1, 3, 3.1), point(2, 2, 1.9), point(3, 1, 1.2), point(4, 0)];
    expect(agreementOf(points)).toEqual({ points: 3, spearman: 1, bytesDiffer: 8 });
  });
});
