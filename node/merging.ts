/**
 * Puts the parts of an output together that several machines have made: the same bytes as one run would have written.
 * It needs the parts alone, and looks at all of them before it writes: none may be missing, foreign, or there twice.
 */
import { contradiction, unexpected } from '../js/api/check.js';
import { MonoquantError } from '../js/api/errors.js';
import { parseJson } from '../js/api/json.js';
import { type MergeOptions, resolveMerge } from '../js/api/options.js';
import type { Report } from '../js/api/types.js';
import { gateQuality, gateWarnings } from '../js/report/gates.js';
import { type RunPlan, resultsOf } from '../js/report/report.js';
import { withStage } from '../js/session/stage-progress.js';
import type { BandErrors, EncodedShare } from '../js/worker/protocol.js';
import { isWhole } from '../js/worker/segments.js';
import { rowsOf, tableOf } from '../js/worker/table.js';
import type { QuantizeResult } from './file-types.js';
import { InputFile, pathOf } from './input-file.js';
import { type Companion, functions } from './model.js';
import { ModelInput } from './model-input.js';
import { Output } from './output.js';
import { manifestOf, type ReadManifest } from './part-tail.js';
import { FileResult } from './result.js';
import { differenceOf } from './run-identity.js';
import { startSession } from './worker-host.js';

/** A part that is open. */
interface OpenPart extends ReadManifest {
  readonly input: InputFile;
}

/** Writes an output from all its parts, which stay as they are. `companion`: makes files that share its fate. */
export async function mergeWith(
  companion: Companion | undefined,
  parts: readonly (string | URL)[],
  options: MergeOptions,
): Promise<QuantizeResult> {
  const request = resolveMerge(options);
  if (!Array.isArray(parts)) throw unexpected('a list of paths', 'parts', parts);
  const opened: InputFile[] = [];
  try {
    const read = parts.map((named: unknown): OpenPart => {
      const input = InputFile.open(pathOf(named, 'parts'));
      opened.push(input);
      return { input, ...manifestOf(input.file) };
    });
    return await mergeOpened(inOrder(read), request, companion);
  } finally {
    for (const input of opened) input.close();
  }
}

async function mergeOpened(
  parts: readonly [OpenPart, ...OpenPart[]],
  { output: named, force, gates, run }: ReturnType<typeof resolveMerge>,
  companion: Companion | undefined,
): Promise<QuantizeResult> {
  const [{ input, facts, run: made, indexMetadata }] = parts;
  const start = performance.now();
  const plan: RunPlan = { ...facts, tensors: rowsOf(facts.tensors) };
  const results = await resultsOf(plan, parts.map(shareOf));
  const identities = parts.map((part) => part.input.identity);
  const terms = { container: 'safetensors', force, keepsCodes: true } as const;
  const source = { named: input.file.path, identities, indexMetadata };
  const output = await Output.claim(named, source, terms);
  const session = startSession(run);
  try {
    checkPlace(output, facts.files.length);
    const { info } = await session.engine;
    const report: Report = {
      version: made.version,
      configuration: made.configuration,
      engine: info,
      sizes: facts.sizes,
      files: facts.files.map(({ bytes }) => bytes),
      outputConfig: facts.outputConfig,
      ...results,
      timings: { planMs: 0, encodeMs: 0, verifyMs: 0 },
    };
    gateQuality(report.tensors, gates, report);
    gateWarnings(report.warnings, gates, report);
    const sink = output.place(facts.files);
    await withStage('merge', run, (controls) =>
      session.request(
        'merge',
        0,
        {
          sink,
          size: facts.sizes.outputBytes,
          files: report.files,
          parts: parts.map(({ input: { file: partFile }, segments, records }) => ({
            source: partFile,
            segments,
            records,
          })),
        },
        controls,
      ),
    );
    for (const part of parts) part.input.checkUnchanged();
    const timings = { ...report.timings, encodeMs: performance.now() - start };
    const timed = { ...report, timings };
    const companions = companion?.(timed) ?? [];
    await output.publish({ config: facts.outputConfig, companions, signal: run.signal });
    const model = await ModelInput.open(output.path);
    model.close();
    return new FileResult(timed, {
      path: output.path,
      model,
      terms,
      folder: undefined,
      reference: {},
      functions,
    });
  } finally {
    await session.release();
    output.discard();
  }
}

/** Some were planned as several files, which have no place but a folder. */
function checkPlace(output: Output, files: number): void {
  if (output.isFolder || files === 1) return;
  throw contradiction(
    `Expected a folder for an output of ${files} files, found the name of one file: "${output.path}".`,
    'Name a folder: a name that ends in "/".',
  );
}

/** All parts of one run, each of them once. */
function inOrder(parts: readonly OpenPart[]): readonly [OpenPart, ...OpenPart[]] {
  const [first, ...others] = [...parts].sort((a, b) => indexOf(a) - indexOf(b));
  if (first === undefined) throw unexpected('at least two of them', 'parts', []);
  const { count = 0 } = first.run.part ?? {};
  for (const other of others) {
    const difference =
      other.run.part?.count === count
        ? differenceOf({ ...other.run, part: first.run.part }, first.run)
        : `in ${other.run.part?.count} parts, and the first one is of ${count}`;
    if (difference === undefined) continue;
    throw contradiction(
      `Expected parts of one run, but "${other.input.file.path}" is from a run ${difference}.`,
      `Name the parts of one run only; the first here is "${first.input.file.path}".`,
    );
  }
  const all = [first, ...others] as const;
  const numbers = all.map(indexOf);
  const twice = all.find((part, at) => numbers.indexOf(indexOf(part)) !== at);
  if (twice !== undefined) {
    throw contradiction(
      `Expected each part once, found part ${indexOf(twice) + 1} twice: "${twice.input.file.path}".`,
      'Name it once.',
    );
  }
  const missing = Array.from({ length: count }, (_, index) => index).filter(
    (index) => !numbers.includes(index),
  );
  if (missing.length > 0) {
    throw contradiction(
      `Expected ${count} parts, found ${all.length}: ${missingWords(missing)} missing.`,
      'Name all of them.',
    );
  }
  if (isWhole(all, first.facts.sizes.outputBytes)) return all;
  throw new MonoquantError(
    'malformed-file',
    'Expected parts that have every byte of the output once, found gaps or bytes in two of them.',
    { suggestion: 'Make the parts again.' },
  );
}

const NUMBERS_SHOWN = 5;

/** `part 2 is`, `parts 2, 3 and 4 are`. */
function missingWords(indices: readonly number[]): string {
  const numbers = indices.map((index) => String(index + 1));
  const [first = '', ...others] = numbers;
  if (others.length === 0) return `part ${first} is`;
  const shown = numbers.slice(0, NUMBERS_SHOWN);
  const more = numbers.length - shown.length;
  const last = more > 0 ? `${more} more` : (shown.pop() ?? '');
  return `parts ${shown.join(', ')} and ${last} are`;
}

function indexOf({ run }: OpenPart): number {
  return run.part?.index ?? 0;
}

function shareOf({ records }: OpenPart): EncodedShare {
  const errors = records
    .flatMap((some) => parseJson(some))
    .flatMap(([tensor, band, , sums]): BandErrors[] => {
      if (tensor === null || sums === null) return [];
      const known = sums.map((sum) => sum ?? Number.POSITIVE_INFINITY);
      const [signal, noise, peak, edges, outputSignal, outputNoise] = known;
      const errors = { tensor, band, signal, noise, peak, edges, outputSignal, outputNoise };
      return [errors as BandErrors];
    });
  return {
    unfit: [],
    bytes: 0,
    errors: tableOf(errors),
    checksums: '' as EncodedShare['checksums'],
  };
}
