/**
 * A model at its workplace, and what a call brings there for a while: another model, captured inputs.
 */
import type { CalibrationInput } from '../api/calibration.js';
import { contradiction } from '../api/check.js';
import { checkOpening, type Opening, type RunOptions } from '../api/options.js';
import { option, say } from '../api/sentence.js';
import type { CalibrationPart } from './calibrate.js';
import type { HandleOptions, Host, HostTypes } from './host.js';
import { type View, viewOf } from './view.js';
import { type FileFor, type OpenedModel, type SessionFor, Workplace } from './workplace.js';

export type FileOf<T extends HostTypes> = FileFor<T['source'], T['sink'], T['output']>;
export type SessionOf<T extends HostTypes> = SessionFor<T['source'], T['sink'], T['output']>;
export type ModelIn<T extends HostTypes> = OpenedModel<T['source']>;

/** Takes over what the host opened: it is closed with the place. */
export class ModelPlace<Types extends HostTypes> {
  readonly input: ModelIn<Types>;
  readonly opening: Opening;
  /** As given when the model was opened. */
  readonly run: Pick<RunOptions, 'threads' | 'engine'>;
  readonly #host: Host<Types>;
  readonly #place: Workplace<Types['source'], Types['sink'], Types['output']>;

  constructor(host: Host<Types>, input: ModelIn<Types>, { opening, run }: HandleOptions) {
    const { threads, engine } = run;
    this.#host = host;
    this.input = input;
    this.opening = opening;
    this.run = {
      ...(threads === undefined ? {} : { threads }),
      ...(engine === undefined ? {} : { engine }),
    };
    this.#place = new Workplace((signal) =>
      host.startSession({ ...this.run, ...(signal === undefined ? {} : { signal }) }),
    );
  }

  inTurn<Answer>(run: RunOptions, work: () => Promise<Answer>): Promise<Answer> {
    return this.#place.inTurn(run, work);
  }

  /** For the call whose turn it is. */
  session(signal: AbortSignal | undefined): SessionOf<Types> {
    return this.#place.session(signal);
  }

  /** A model in the worker of the session, as it is to be seen. */
  open(
    model: ModelIn<Types>,
    opening: Opening,
    view: View,
    run: RunOptions,
  ): Promise<FileOf<Types>> {
    return this.#place.open(model, viewOf(model, opening, view), run);
  }

  /** Another model, for the time of some work on it, in turn. */
  async withOther<Answer>(
    named: Types['named'] | undefined,
    work: (other: ModelIn<Types> | undefined) => Promise<Answer>,
  ): Promise<Answer> {
    const other = named === undefined ? undefined : await this.#host.openModel(named);
    try {
      const answer = await work(other);
      this.input.checkUnchanged();
      other?.checkUnchanged();
      return answer;
    } finally {
      if (other !== undefined) await this.#place.release(other);
    }
  }

  /** Captured inputs or a calibration, for the time of some work with them, in turn. */
  withData<Answer>(
    run: RunOptions,
    inputs: readonly CalibrationInput[],
    work: (parts: readonly CalibrationPart<Types['source']>[]) => Promise<Answer>,
  ): Promise<Answer> {
    return this.#place.inTurn(run, async () => {
      const opened = await this.#host.openCalibration(inputs);
      try {
        const answer = await work(opened.parts);
        opened.checkUnchanged();
        return answer;
      } finally {
        await this.#place.settle();
        opened.close();
      }
    });
  }

  checkAsOpened({ threads, engine }: RunOptions, opening: Opening = this.opening): void {
    checkOpening(opening, this.opening);
    for (const [key, asked] of Object.entries({ threads, engine })) {
      const opened = this.run[key as 'threads' | 'engine'];
      if (asked === undefined || asked === opened) continue;
      throw contradiction(
        opened === undefined
          ? say`The model was opened without ${option(key)}, but this call is to have ${option(key, asked)}.`
          : say`The model was opened with ${option(key, opened)}, but this call is to have ${option(key, asked)}.`,
        say`Open the model with ${option(key, asked)}, or leave it out here.`,
      );
    }
  }

  async close(): Promise<void> {
    await this.#place.close();
    this.input.close();
  }
}
