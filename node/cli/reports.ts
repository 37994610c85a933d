/**
 * The files of `--report`: claimed before the work, written after it; and the summary of a job.
 * They exist so that a bad path is told before an hour of work, and a failed run leaves no report.
 * Each appears whole or not at all; none takes the place of the model, of the output, or of another report.
 */
import { realpathSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { Plan, Report } from '../../js/api/types.js';
import { formatChoices } from '../../js/words/format.js';
import { htmlOf } from '../../js/words/report/html.js';
import { markdownOf } from '../../js/words/report/markdown.js';
import {
  type Circumstances,
  isReport,
  type ReportView,
  viewOf,
} from '../../js/words/report/view.js';
import type { FileIdentity } from '../open-file.js';
import { OutputFile } from '../output-file.js';
import { writtenAt } from '../output-name.js';
import { publish } from '../publication.js';
import { reasonOf } from '../reason.js';
import { usageError } from './failure.js';
import { appendSummary, summaryPath } from './github.js';
import { jsonText, printWarning, type Session } from './session.js';

export interface ReportPlaces {
  readonly paths: readonly string[];
  readonly force: boolean;
  /** Files of what the run reads. Asked for behind names that are wrong by themselves: then none of them is opened. */
  readonly inputs: () => readonly FileIdentity[];
  /** Files of the run itself. */
  readonly outputs: readonly string[];
  readonly circumstances: Circumstances;
}

type Document = Plan | Report;
type Failure = Circumstances['failure'];

/** Programs want no view. */
type ContentOf = (document: Document, view: () => ReportView) => string;

/** What the ending of a report's name asks for. */
const KINDS: Readonly<Record<string, ContentOf>> = {
  '.json': jsonText,
  '.md': (_, view) => markdownOf(view()),
  '.html': (_, view) => htmlOf(view()),
};

interface ReportFile {
  readonly file: OutputFile;
  readonly contentOf: ContentOf;
}

export class Reports {
  readonly #files: readonly ReportFile[];
  readonly #circumstances: Circumstances;
  #isWritten = false;

  private constructor(files: readonly ReportFile[], circumstances: Circumstances) {
    this.#files = files;
    this.#circumstances = circumstances;
  }

  /** Throws before anything is touched if a report cannot be written. */
  static begin({ paths, force, inputs: inputsOf, outputs, circumstances }: ReportPlaces): Reports {
    const kinds = paths.map(kindOf);
    const taken = new Map(outputs.map((output) => [realPath(output), 'the output itself']));
    for (const path of paths) {
      const other = taken.get(realPath(path));
      if (other !== undefined) {
        throw usageError(`--report "${path}" is ${other}.`, 'Choose another name.');
      }
      taken.set(realPath(path), 'another report');
    }
    // A model that is not there is the first thing to tell.
    const inputs = inputsOf();
    const files: ReportFile[] = [];
    try {
      const choices = { force, inputs };
      for (const [index, contentOf] of kinds.entries()) {
        files.push({ file: OutputFile.create(paths[index] ?? '', choices), contentOf });
      }
      return new Reports(files, circumstances);
    } catch (error) {
      for (const { file } of files) file.discard();
      throw error;
    }
  }

  /** With their content; it is for others to give them their names. */
  filled(document: Document, failure?: Failure): readonly OutputFile[] {
    const view = () => this.#viewOf(document, failure);
    for (const { file, contentOf } of this.#files) file.fill(contentOf(document, view));
    this.#isWritten = true;
    return this.#files.map(({ file }) => file);
  }

  /** Gives them their names, if they did not appear with an output. */
  async finish(document: Document, failure?: Failure): Promise<void> {
    if (!this.#isWritten) await publish(this.filled(document, failure));
  }

  /** Adds the report to the summary of the job, if there is one; a report without tables, if there is no more room. */
  summarize(document: Document, failure: Failure, { err }: Session): void {
    const path = summaryPath();
    if (path === undefined) return;
    const view = this.#viewOf(document, failure);
    try {
      appendSummary(path, [markdownOf(view), markdownOf(view, false)]);
    } catch (error) {
      printWarning(err, `Could not write the summary of the job: ${reasonOf(error)}.`);
    }
  }

  /** Leaves nothing behind. Harmless after `finish`. */
  discard(): void {
    for (const { file } of this.#files) file.discard();
  }

  #viewOf(document: Document, failure: Failure): ReportView {
    const { written, ...others } = this.#circumstances;
    const isKept = written !== undefined && (failure === undefined || !isReport(document));
    const at = isKept ? writtenAt(written, document.files.length) : undefined;
    return viewOf(document, { ...others, written: at, failure });
  }
}

function kindOf(path: string): ContentOf {
  const kind = KINDS[extname(path).toLowerCase()];
  if (kind !== undefined) return kind;
  throw usageError(
    `Expected a name that ends in ${formatChoices(Object.keys(KINDS))} for --report but received "${path}".`,
    'The ending decides what is written: data, a page for a model card, or a page for a browser.',
  );
}

/** Links followed as far as there is anything. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(resolve(path));
    return folder === resolve(path) ? folder : join(realPath(folder), basename(path));
  }
}
