/**
 * How models come to the page: files, a folder, a URL, the examples; and what is said while one is looked for.
 * It exists because all of them end alike: the latest one that was asked for is opened, or a sentence says why not.
 * The model before stays where another cannot be opened.
 */
import { type ReadonlySignal, signal } from '@preact/signals';
import { type Choice, forAnotherModel, openingOf } from './choice.js';
import { type Fault, faultOf } from './fault.js';
import { givenModel, nameOfFiles, pairOf } from './model-files.js';
import type { GivenModel, OpenModel } from './open-model.js';

/** Opens what was found with these choices, unless another was asked for meanwhile. */
export type TakeModel = (
  found: GivenModel,
  choiceAfter: (before: Choice) => Choice,
  isLatest: () => boolean,
) => Promise<void>;

export class WaysIn {
  /** The name of what is being opened. */
  readonly opening = signal<string | undefined>(undefined);
  readonly fault = signal<Fault | undefined>(undefined);
  /** As it stands in the field for URLs. */
  readonly url = signal('');
  /** Two models that came together. */
  readonly pair = signal<readonly [File, File] | undefined>(undefined);
  readonly #model: ReadonlySignal<OpenModel | undefined>;
  readonly #take: TakeModel;
  #turn = 0;

  constructor(model: ReadonlySignal<OpenModel | undefined>, take: TakeModel) {
    this.#model = model;
    this.#take = take;
  }

  openExample(): Promise<void> {
    this.pair.value = undefined;
    return this.#open('example.safetensors', async () => {
      const { exampleModel } = await import('./example.js');
      return givenModel([exampleModel()]);
    });
  }

  /** The classifier that answers what somebody draws. It is fetched from this site. */
  openDigits(): Promise<void> {
    this.pair.value = undefined;
    return this.#open('digits.safetensors', async () => {
      const { digitsModel } = await import('./digits/sample.js');
      return { ...(await givenModel([await digitsModel()])), isSample: true };
    });
  }

  async openFiles(files: readonly File[]): Promise<void> {
    this.pair.value = pairOf(files);
    if (this.pair.peek() !== undefined) {
      this.fault.value = undefined;
      return;
    }
    await this.#open(nameOfFiles(files), () => givenModel(files));
  }

  /** Opens what is behind a URL. Nothing but this reaches the network. */
  openUrl(url: string): Promise<void> {
    return this.#open(url.replace(/[?#].*/, ''), async () => {
      const { openDistantModel } = await import('./distant-model.js');
      return openDistantModel(url);
    });
  }

  /** A link that was dropped: it is asked for only when somebody says so. */
  takeLink(url: string): void {
    this.url.value = url;
    this.fault.value = {
      message: 'What was dropped is a link, and nothing was read.',
      suggestion: 'Press "Open" beside the URL to read the model there, or drop the file itself.',
    };
  }

  /** Takes another part of the same file, or its names without a prefix. */
  async reopen(part: { readonly key?: string; readonly stripPrefix?: string }): Promise<void> {
    const model = this.#model.peek();
    if (model === undefined) return;
    const turn = ++this.#turn;
    this.fault.value = undefined;
    try {
      await this.#take(
        model,
        (before) => ({ ...forAnotherModel(before), ...openingOf(before), ...part }),
        () => turn === this.#turn,
      );
    } catch (error) {
      if (turn === this.#turn) this.fault.value = faultOf(error);
    }
  }

  async #open(name: string, find: () => Promise<GivenModel>): Promise<void> {
    const turn = ++this.#turn;
    const isLatest = () => turn === this.#turn;
    this.fault.value = undefined;
    this.opening.value = name;
    // Patterns of a link are about the first model that is opened with it.
    const isFirst = this.#model.peek() === undefined;
    const choiceAfter = (before: Choice) => (isFirst ? before : forAnotherModel(before));
    let found: GivenModel | undefined;
    try {
      found = await find();
      if (isLatest()) await this.#take(found, choiceAfter, isLatest);
    } catch (error) {
      if (isLatest()) this.fault.value = faultOf(error);
    } finally {
      if (this.#model.peek()?.release !== found?.release) found?.release?.();
      if (isLatest()) this.opening.value = undefined;
    }
  }
}
