/**
 * What a run says of itself in a file beside its unfinished output: what it is a run of, and each band that it has done.
 * It exists so that a run that was interrupted can be gone on with. Lines are only added, and no band is believed before
 * its bytes were compared.
 */
import { unlinkSync } from 'node:fs';
import { contradiction } from '../js/api/check.js';
import { type Json, parseJson, toJson } from '../js/api/json.js';
import { option, say } from '../js/api/sentence.js';
import type { Calibration } from '../js/api/types.js';
import type { UnfitTensor } from '../js/engine/engine-options.js';
import type { RunJournal } from '../js/session/journal.js';
import type { Records } from '../js/worker/protocol.js';
import { linesOf, writeLines } from './journal-lines.js';
import { removeAtExit } from './leftovers.js';
import { differenceOf, digestOf, type RunIdentity } from './run-identity.js';
import { writeFailed } from './write-failed.js';

/** Changes with what stands in the lines. */
const FORMAT = 1;

interface Header {
  readonly journal: typeof FORMAT;
  readonly run: RunIdentity;
  readonly unfit: readonly UnfitTensor[];
  readonly outputBytes: number;
}

interface Earlier {
  readonly header: Header;
  readonly records: Records;
}

export interface JournalChoices {
  /** How messages name the output. */
  readonly output: string;
  readonly identity: Omit<RunIdentity, 'calibration'>;
  /** Whether an earlier run is gone on with. */
  readonly resumes: boolean;
  /** From then on nobody goes on with a run before this one. */
  readonly onBegin: () => void;
}

export class Journal implements RunJournal {
  readonly place: string;
  readonly #choices: JournalChoices;
  readonly #earlier: Earlier | undefined;
  readonly #forget: () => void;
  #run: RunIdentity;
  #hasBegun = false;

  /** `place` is that of an earlier run's journal, if there is one to go on with. */
  constructor(place: string, choices: JournalChoices) {
    this.place = place;
    this.#choices = choices;
    this.#run = { ...choices.identity, calibration: null };
    this.#earlier = choices.resumes ? earlierAt(place) : undefined;
    this.#forget = choices.resumes ? () => {} : removeAtExit(place);
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  get run(): RunIdentity {
    return this.#run;
  }

  earlierUnfit(calibration: Json<Calibration> | null): readonly UnfitTensor[] {
    this.#run = { ...this.#choices.identity, calibration: digestOf(calibration) };
    if (this.#earlier === undefined) return [];
    const { header } = this.#earlier;
    const difference = differenceOf(header.run, this.#run);
    if (difference === undefined) return header.unfit;
    throw contradiction(
      `Expected to go on with the interrupted run for "${this.#choices.output}", but that was a run ${difference}.`,
      say`Repeat its options and its model, or leave out ${option('resume')} to begin anew.`,
    );
  }

  earlierRecords(unfit: readonly UnfitTensor[], outputBytes: number): Records {
    const { header, records = [] } = this.#earlier ?? {};
    const isSame = header?.outputBytes === outputBytes && toJson(header.unfit) === toJson(unfit);
    return isSame ? records : [];
  }

  begin(unfit: readonly UnfitTensor[], outputBytes: number, done: Records): void {
    this.#hasBegun = true;
    const header: Header = { journal: FORMAT, run: this.#run, unfit, outputBytes };
    try {
      writeLines(this.place, [toJson(header), ...done]);
      this.#choices.onBegin();
    } catch (error) {
      throw writeFailed(this.#choices.output, error);
    }
  }

  records(): Records {
    return earlierAt(this.place)?.records ?? [];
  }

  remove(): void {
    this.#forget();
    try {
      unlinkSync(this.place);
    } catch {
      // It was never begun.
    }
  }
}

/** Undefined if there is none, or none that says of what it is. */
function earlierAt(place: string): Earlier | undefined {
  const [first, ...records] = linesOf(place);
  if (first === undefined) return undefined;
  const header = parseJson(first as Json<Partial<Header>>);
  return header.journal === FORMAT
    ? { header: header as Header, records: records as unknown as Records }
    : undefined;
}
