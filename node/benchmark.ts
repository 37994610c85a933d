/**
 * Configurations side by side on one model. Each is encoded to nowhere, in turns; where there are captured inputs, each
 * is also written once to a temporary file, whose layers are executed on them.
 */

import { type BenchmarkOptions, resolveBenchmark } from '../js/api/benchmark-options.js';
import { type CalibrationInput, isCalibration } from '../js/api/calibration.js';
import type { PlanOptions } from '../js/api/plan-options.js';
import { spokenName } from '../js/api/spoken-url.js';
import type {
  Benchmark,
  BenchmarkRow,
  BenchmarkTensor,
  Report,
  Validation,
} from '../js/api/types.js';
import { comparisonsOf, measureOf } from '../js/report/benchmark.js';
import { median } from '../js/report/statistics/bootstrap.js';
import { verdictWords } from '../js/words/benchmark/verdict.js';
import type { ModelSource } from './file-types.js';
import { functions, type NodeModel, openNodeModel } from './model.js';
import { recorded } from './runs/recorder.js';

type Request = ReturnType<typeof resolveBenchmark>;

/** Each configuration under a name of the caller's; the first is what the others are held against. */
export async function benchmark(
  named: ModelSource,
  configurations: Readonly<Record<string, PlanOptions>>,
  options: BenchmarkOptions = {},
): Promise<Benchmark> {
  const request = resolveBenchmark(configurations, options);
  const { run, opening, calibration, rounds, seed, log } = request;
  const { model, input } = await openNodeModel(named, { run, opening });
  const attempt = {
    command: 'benchmark' as const,
    model: input.named,
    output: undefined,
    options: { ...opening, rounds, configurations: Object.fromEntries(request.named) },
    input,
    calibration,
    seed,
    signal: run.signal,
  };
  try {
    return await recorded(
      { log },
      attempt,
      () => measuredAll(named, model, input.bytes, request),
      ({ version, engine, verdict }) => ({
        outputs: async () => [],
        more: { version, engine, verdict },
      }),
    );
  } finally {
    await model.close();
  }
}

async function measuredAll(
  named: ModelSource,
  model: NodeModel,
  sourceBytes: number,
  request: Request,
): Promise<Benchmark> {
  const { run, seed } = request;
  const measured = await inTurns(model, request, sourceBytes);
  const rows: BenchmarkRow[] = [];
  for (const [index, [name, choices]] of request.named.entries()) {
    const all = measured.map((round) => round[index]).filter((one) => one !== undefined);
    const executed = await executedOutputs(named, choices, request);
    rows.push(rowOf(name, all, executed));
  }
  const measure = measureOf(rows);
  const [first] = measured.flat();
  const facts = {
    version: first?.report.version ?? '',
    engine: first?.report.engine ?? { kind: run.engine ?? 'st', threads: 0 },
    model: typeof named === 'string' || named instanceof URL ? spokenName(String(named)) : null,
    sourceBytes,
    seed,
    measure,
    configurations: rows,
    comparisons: comparisonsOf(rows, measure, seed),
  };
  return { ...facts, verdict: verdictWords(facts) };
}

interface Measured {
  readonly report: Report;
  readonly ms: number;
  readonly peakBytes: number;
}

/** Files up to this size are read once before anything is timed: the first would else pay for all. */
const WARM_BYTES = 256e6;

/** Round by round, so that what changes on the machine meanwhile meets all of them. */
async function inTurns(
  model: NodeModel,
  { named, rounds, run }: Request,
  sourceBytes: number,
): Promise<readonly (readonly Measured[])[]> {
  const all: Measured[][] = [];
  const [first] = named;
  if (sourceBytes <= WARM_BYTES) await model.measure({ ...first?.[1], ...run });
  for (let round = 0; round < rounds; round++) {
    const one: Measured[] = [];
    for (const [, choices] of named) {
      const { result: report, peakBytes } = await withPeak(() =>
        model.measure({ ...choices, ...run }),
      );
      const { planMs, encodeMs } = report.timings;
      one.push({ report, ms: planMs + encodeMs, peakBytes });
    }
    all.push(one);
  }
  return all;
}

const SAMPLE_MS = 10;

/** Engines work in threads of this process: its memory is looked at while they do. */
async function withPeak<Result>(work: () => Promise<Result>) {
  let peakBytes = process.memoryUsage.rss();
  const look = () => {
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss());
  };
  const timer = setInterval(look, SAMPLE_MS);
  try {
    const result = await work();
    look();
    return { result, peakBytes };
  } finally {
    clearInterval(timer);
  }
}

/** Of layers that were executed on captured inputs; undefined if there are none. */
async function executedOutputs(
  named: ModelSource,
  choices: PlanOptions,
  { inputs, run, opening }: Request,
): Promise<Validation | undefined> {
  if (inputs === undefined || !isOfInputs(inputs)) return undefined;
  const result = await functions.quantize(named, { ...opening, ...choices, ...run });
  try {
    return await result.validate({
      reference: named,
      ...opening,
      calibration: inputs,
      ...run,
    });
  } finally {
    await result.close();
  }
}

/** What a calibration keeps of inputs cannot be fed to a layer. */
function isOfInputs(input: CalibrationInput): boolean {
  if (isCalibration(input)) return false;
  return !(typeof input === 'string' || input instanceof URL) || !/\.json$/i.test(String(input));
}

function rowOf(
  name: string,
  rounds: readonly Measured[],
  executed: Validation | undefined,
): BenchmarkRow {
  const [first] = rounds;
  if (first === undefined) throw new Error('There is no round.');
  const { configuration, sizes, sqnrDb, tensors, warnings } = first.report;
  const outputs = new Map(
    executed?.tensors.flatMap((tensor) => {
      const { run } = tensor;
      return run === undefined || run.inputs === 'seeded' ? [] : [[tensor.name, run.sqnrDb]];
    }),
  );
  return {
    name,
    configuration,
    bytes: sizes.outputBytes,
    bitsPerWeight: sizes.bitsPerWeight,
    sqnrDb,
    outputSqnrDb: outputs.size === 0 ? null : (executed?.outputSqnrDb ?? null),
    ms: median(rounds.map(({ ms }) => ms)),
    rounds: rounds.map(({ ms }) => ms),
    peakBytes: Math.max(...rounds.map((round) => round.peakBytes)),
    warnings: warnings.map(({ message }) => message),
    tensors: tensors
      .map((tensor): BenchmarkTensor => {
        const output = outputs.get(tensor.name);
        return {
          name: tensor.name,
          elements: tensor.elements,
          bytes: tensor.outputBytes,
          sqnrDb: tensor.sqnrDb,
          ...(output === undefined ? {} : { outputSqnrDb: output }),
        };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}
