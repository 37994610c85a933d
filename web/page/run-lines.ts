/**
 * A run of the page as a line of a log, with digests of its files as long as they can be read.
 * It exists as a file of its own that is loaded when somebody wants a log.
 */
import { linesOf, recordOf } from '../../js/words/runs/lines.js';
import type { Outcome } from './outcome.js';

export type RunLine = ReturnType<typeof recordOf>;

/** Browsers digest what is in memory as a whole. */
const MOST_DIGESTED = 512 * 1024 * 1024;

export const textOf = linesOf;

/** By run: who exports twice has the same lines twice. */
const known = new WeakMap<Outcome, RunLine>();

export function lineOf(run: Outcome, ended: Date): RunLine {
  const { report, request, model } = run;
  const output = run.name.peek();
  const line = known.get(run) ?? {
    ...recordOf({
      command: request.task,
      ended,
      report,
      model: model.path,
      output,
      inputs: sourcesOf(run).map(({ name, size }) => ({ name, bytes: size, sha256: null })),
      calibration: report.configuration.calibration.map(unread),
      outputs: [{ name: output, bytes: report.sizes.outputBytes, sha256: null }],
      host: navigator.userAgent,
      random: crypto.getRandomValues(new Uint8Array(16)),
    }),
  };
  known.set(run, line);
  // It may have been renamed since.
  return { ...line, output, outputs: line.outputs.map((file) => ({ ...file, name: output })) };
}

export async function digestedLineOf(run: Outcome, ended: Date): Promise<RunLine> {
  const line = lineOf(run, ended);
  const inputs: RunLine['inputs'][number][] = [];
  for (const [index, source] of sourcesOf(run).entries()) {
    const file = line.inputs[index];
    if (file === undefined) continue;
    inputs.push(
      source instanceof Blob ? { ...file, sha256: file.sha256 ?? (await sha256Of(source)) } : file,
    );
  }
  const outputs: RunLine['outputs'][number][] = [];
  for (const file of line.outputs) {
    outputs.push({ ...file, sha256: file.sha256 ?? (await sha256Of(run.blob)) });
  }
  const digested = { ...line, inputs, outputs };
  known.set(run, digested);
  return digested;
}

function unread(name: string) {
  return { name, bytes: null, sha256: null };
}

interface Source {
  readonly name: string;
  readonly size: number;
}

/** The files of the model, one by one; not what came with it. */
function sourcesOf({ model: { source, beside } }: Outcome): readonly Source[] {
  const all = [source].flat() as readonly Source[];
  return all.filter((file) => !beside.includes(file as File));
}

/** Null where nobody can say: on pages without a secure connection there are no digests. */
async function sha256Of(blob: Blob): Promise<string | null> {
  if (blob.size > MOST_DIGESTED || crypto.subtle === undefined) return null;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
