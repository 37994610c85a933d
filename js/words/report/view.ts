/**
 * A report as people see it: facts, tables, how good it is, how to repeat it.
 * It exists so that text, Markdown and HTML say the same: each only lays out what is here, and works nothing out.
 * Texts may come from files: who shows them makes them harmless.
 */
import { ownChoices } from '../../api/configuration.js';
import { GATES } from '../../api/option-table/calls.js';
import type { Entries } from '../../api/option-table/entry.js';
import { OPTIONS } from '../../api/option-table/table.js';
import type { Configuration, Plan, Quality, Report, Warning } from '../../api/types.js';
import { version } from '../../api/version.js';
import { commandOf } from '../command.js';
import type { PlainFact } from '../facts.js';
import { type Usage, type UsedFolder, usagesOf } from '../usage.js';
import { planFacts, reportFacts } from './facts.js';
import { planTables, reportTables, type TableView } from './tables.js';

/** What the document itself does not know. */
export interface Circumstances {
  /** As it was named. */
  readonly model: string;
  /** As it was asked for; undefined: the command named it. */
  readonly output: string | undefined;
  /** The file that is written; undefined: a gate has closed. */
  readonly written: string | undefined;
  /** Gates that the run had to pass. */
  readonly gates: object;
  /** What the work was in vain for. */
  readonly failure?: { readonly message: string } | undefined;
  /** What was done, if nothing was quantized. */
  readonly what?: string | undefined;
  /** That does it again; without it, it is worked out. */
  readonly command?: string;
  /** For loaders that take folders. Without it: as the command writes them. */
  readonly folder?: UsedFolder;
  /** Whether the model came with a config.json. */
  readonly hasConfig?: boolean;
}

/** The SQNR of a tensor that lost something. */
export interface Rated {
  readonly name: string;
  readonly sqnrDb: number;
  readonly quality: Quality;
}

export interface ReportView {
  readonly title: string;
  /** Of the package. */
  readonly version: string;
  /** A sentence. */
  readonly failure: string | undefined;
  /** An element that is safe to show; text alone leaves it out. */
  readonly picture?: { readonly title: string; readonly svg: string; readonly legend: string };
  readonly facts: readonly PlainFact[];
  readonly tables: readonly TableView[];
  /** The worst first. */
  readonly rated: readonly Rated[];
  readonly warnings: readonly Warning[];
  /** Nothing of what was not written, or only a part of it. */
  readonly usages: readonly Usage[];
  readonly configuration: object;
  /** That makes the same again, in a shell of Unix. */
  readonly command: string;
}

export function isReport(document: Plan | Report): document is Report {
  return 'timings' in document;
}

export function viewOf(document: Plan | Report, circumstances: Circumstances): ReportView {
  const { model, written, failure } = circumstances;
  const { configuration, warnings } = document;
  const shown = written === undefined ? undefined : pathShown(written);
  const usual = isReport(document) ? 'Quantization' : 'Plan for the quantization';
  const { what = usual, command = commandAgain(configuration, circumstances) } = circumstances;
  return {
    title: `${what} of ${nameOf(model)}`,
    version: version(),
    failure: failure?.message,
    facts: isReport(document) ? reportFacts(document, shown) : planFacts(document, shown ?? ''),
    tables: isReport(document) ? reportTables(document) : planTables(document),
    rated: isReport(document) ? ratedOf(document) : [],
    warnings,
    usages: isReport(document) ? usagesFor(document, circumstances) : [],
    configuration,
    command,
  };
}

function usagesFor(report: Report, circumstances: Circumstances): readonly Usage[] {
  const { output, written, failure, hasConfig } = circumstances;
  if (written === undefined || failure !== undefined || report.part !== undefined) return [];
  const named = output?.endsWith('/') === true ? pathShown(output) : undefined;
  const { folder = named === undefined ? ELSEWHERE : folderWritten(named) } = circumstances;
  const file = pathShown(written);
  return usagesOf({ report, file, folder, hasConfig: hasConfig ?? false });
}

/** It has what its model had. */
function folderWritten(path: string): UsedFolder {
  return { path: `./${path.replace(/^\.\//, '').slice(0, -1)}`, needs: '' };
}

/** Of one file nobody knows where it is going to lie. */
const ELSEWHERE: UsedFolder = {
  path: './FOLDER',
  needs:
    'They take folders: a model folder and an output that ends in a slash (-o FOLDER/) give one that has all they look for.',
};

function ratedOf({ tensors }: Report): readonly Rated[] {
  return tensors.flatMap(
    ({ name, sqnrDb: ofWeights, outputSqnrDb: sqnrDb = ofWeights, quality }) =>
      sqnrDb === null ? [] : [{ name, sqnrDb, quality }],
  );
}

function commandAgain(
  configuration: Configuration,
  { model, output, written, gates }: Circumstances,
): string {
  const table: Entries = { ...OPTIONS, ...GATES };
  // Bits are what a reader looks for; all else that goes without saying is left out.
  const isSaid = ([key, value]: [string, unknown]) =>
    key === 'bits' || JSON.stringify(value) !== JSON.stringify(table[key]?.default);
  // The kind of file follows from a name only.
  const named = output ?? (configuration.container === 'safetensors' ? undefined : written);
  const own = Object.entries(ownChoices(configuration)).filter(isSaid);
  return commandOf({
    table,
    choices: { ...Object.fromEntries(own), ...gates },
    model: pathShown(model),
    output: named === undefined ? undefined : pathShown(named),
    calibration: configuration.calibration.map(pathShown),
  });
}

/** Reports are passed on: where something lies on a machine is nobody's business, a path from here may be. */
export function pathShown(path: string): string {
  return /^([/\\]|[A-Za-z]:|file:)/.test(path) ? nameOf(path) : path;
}

/** The last part of a path, with the slash of a folder. */
function nameOf(path: string): string {
  return /[^/\\]+[/\\]?$/.exec(path)?.[0] ?? path;
}
