/**
 * A benchmark as people see it: facts, and tables of configurations, of comparisons and of tensors.
 */
import type { Benchmark, BenchmarkComparison, BenchmarkRow } from '../../api/benchmark.js';
import type { PlainFact } from '../facts.js';
import { formatBytes, formatDecibels, formatDuration, formatPlural } from '../format.js';
import type { ColumnView, TableView } from '../report/tables.js';
import { signed, wayOf } from './verdict.js';

export function benchmarkFacts(benchmark: Benchmark): readonly PlainFact[] {
  const { verdict, sourceBytes, configurations, engine, seed, measure } = benchmark;
  const rounds = configurations[0]?.rounds.length ?? 1;
  return [
    ['verdict', verdict],
    ['model', formatBytes(sourceBytes)],
    [
      'measured',
      measure === 'outputs'
        ? 'outputs of layers, executed from their codes on captured inputs, beside the float layers'
        : 'weights: what a loss there costs the outputs, captured inputs (-c) would tell',
    ],
    ['rounds', `${formatPlural(rounds, 'round')}, encoded to nowhere; seed ${seed}`],
    ['engine', `${engine.kind}, ${formatPlural(engine.threads, 'thread')}`],
  ];
}

export function configurationTable({ configurations, measure }: Benchmark): TableView {
  return {
    title: 'configurations',
    columns: [
      { title: 'configuration', shrink: 'middle' },
      ...right('size', 'bpw', 'SQNR'),
      ...(measure === 'outputs' ? right('of outputs') : []),
      ...right('worst', 'time', 'memory'),
    ],
    rows: configurations.map((row) => ({
      cells: [
        row.name,
        formatBytes(row.bytes),
        row.bitsPerWeight.toFixed(2),
        formatDecibels(row.sqnrDb),
        ...(measure === 'outputs' ? [formatDecibels(row.outputSqnrDb)] : []),
        worstWords(row, measure),
        formatDuration(row.ms),
        formatBytes(row.peakBytes),
      ],
    })),
  };
}

function worstWords({ tensors }: BenchmarkRow, measure: Benchmark['measure']): string {
  const losses = tensors.flatMap(({ sqnrDb, outputSqnrDb }) => {
    const loss = measure === 'outputs' ? outputSqnrDb : sqnrDb;
    return loss == null ? [] : [loss];
  });
  return losses.length === 0 ? '' : formatDecibels(Math.min(...losses));
}

export function comparisonTable({ comparisons, configurations }: Benchmark): TableView {
  return {
    title: `against ${configurations[0]?.name ?? ''}`,
    columns: [
      { title: 'configuration', shrink: 'middle' },
      ...right('median', '95 %', 'wins', 'losses', 'worst loss', 'p', 'bytes', 'time'),
    ],
    rows: comparisons.map((comparison) => ({
      cells: [
        comparison.name,
        `${signed(comparison.medianDb)} dB`,
        `${signed(comparison.lowDb)} to ${signed(comparison.highDb)}`,
        String(comparison.wins),
        String(comparison.losses),
        comparison.worst === undefined ? '' : `${signed(comparison.worst.db)} dB`,
        chanceWords(comparison),
        `${comparison.bytesRatio.toFixed(3)}×`,
        `${comparison.msRatio.toFixed(2)}×`,
      ],
      ...(wayOf(comparison) < 0 ? { quality: 'low' as const } : {}),
    })),
  };
}

function chanceWords({ p }: BenchmarkComparison): string {
  return p < 0.0001 ? '<0.0001' : p.toFixed(4);
}

/** A row for each tensor that any of them changes. */
export function tensorTable({ configurations, measure }: Benchmark): TableView {
  const rows = new Map<string, (string | undefined)[]>();
  for (const [index, { tensors }] of configurations.entries()) {
    for (const { name, sqnrDb, outputSqnrDb } of tensors) {
      const cells = rows.get(name) ?? configurations.map(() => undefined);
      const loss = measure === 'outputs' ? outputSqnrDb : sqnrDb;
      cells[index] = loss === undefined ? undefined : formatDecibels(loss);
      rows.set(name, cells);
    }
  }
  return {
    title: 'tensors',
    columns: [
      { title: 'tensor', shrink: 'middle' },
      ...right(...configurations.map(({ name }) => name)),
    ],
    rows: [...rows].map(([name, cells]) => ({
      cells: [name, ...cells.map((cell) => cell ?? '')],
    })),
  };
}

function right(...titles: readonly string[]): readonly ColumnView[] {
  return titles.map((title) => ({ title, align: 'right' }));
}
