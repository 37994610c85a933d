/**
 * The state of the demonstration: an image, the variants of the classifier that answer it, and what each gets right.
 * It exists apart from the workbench because it is only there for one small model.
 * Variants are made one at a time: first what is in sight, then all that the slider may ask for, so that it is quick.
 */
import { computed, signal } from '@preact/signals';
import type { Bits, PlanOptions } from 'monoquant';
import type { OpenModel } from '../open-model.js';
import type { Outcome } from '../outcome.js';
import type { Workbench } from '../workbench.js';
import { answerOf, classify } from './network.js';
import { type TestImage, testImages } from './sample.js';
import { type Answers, countRight, Testing } from './testing.js';
import { quantizedVariant, type Variant, variantOf, weightsOf } from './variant.js';

export const FEWEST_BITS = 2;
export const MOST_BITS = 8;

/** The image that is answered. */
export interface Picture {
  readonly pixels: Float32Array;
  /** What it shows, if it is a test image. */
  readonly label?: number;
}

/** A variant by what it is made of. */
export type Wanted =
  | { readonly kind: 'float' }
  | { readonly kind: 'bits'; readonly bits: Bits; readonly everywhere: boolean }
  | { readonly kind: 'run'; readonly run: Outcome };

export interface Tested {
  /** Undefined if it could not be made. */
  readonly variant: Variant | undefined;
  /** Undefined until they are counted. */
  readonly answers?: Answers;
  readonly right?: number;
}

export interface Answered {
  readonly wanted: Wanted;
  readonly tested: Tested | undefined;
  /** Of the ten classes, for the image that is shown. */
  readonly probabilities: Float64Array | undefined;
  readonly answer: number | undefined;
}

const ALL_BITS: readonly Bits[] = [2, 3, 5, 6, 7];

export class Demonstration {
  readonly picture = signal<Picture | undefined>(undefined);
  readonly bits = signal<Bits>(3);
  /** Whether the first and the last layer lose bits, too, which the engine leaves alone unless it is told. */
  readonly everywhere = signal(false);
  readonly images = signal<readonly TestImage[]>([]);
  readonly #tested = signal<ReadonlyMap<string, Tested>>(new Map());
  readonly #runs = new WeakMap<Outcome, string>();
  readonly #model: OpenModel;
  readonly #workbench: Workbench;
  readonly own = computed<Wanted>(() => ({
    kind: 'bits',
    bits: this.bits.value,
    everywhere: this.everywhere.value,
  }));
  readonly shown = computed<readonly Answered[]>(() => {
    const pixels = this.picture.value?.pixels;
    return this.#inSight.value.map((wanted) => {
      const tested = this.#tested.value.get(this.#keyOf(wanted));
      const weights = tested?.variant?.weights;
      const probabilities = weights && pixels && classify(weights, pixels);
      return {
        wanted,
        tested,
        probabilities,
        answer: probabilities && answerOf(probabilities),
      };
    });
  });
  /** Test images that the float model gets right and the one of the slider does not. */
  readonly lost = computed<readonly TestImage[]>(() => {
    const float = this.#answersOf({ kind: 'float' });
    const own = this.#answersOf(this.own.value);
    if (!float?.length || !own?.length) return [];
    return this.images.value.filter(
      ({ label }, index) => float[index] === label && own[index] !== label,
    );
  });
  readonly #inSight = computed<readonly Wanted[]>(() => {
    const run = this.#workbench.outcome.value;
    return [
      { kind: 'float' },
      { kind: 'bits', bits: 8, everywhere: false },
      { kind: 'bits', bits: 4, everywhere: false },
      this.own.value,
      ...(run === undefined ? [] : [{ kind: 'run', run } as const]),
    ];
  });
  #testing: Testing | undefined;
  #isOver = false;
  #isWorking = false;
  #stopWatching = () => {};

  constructor(workbench: Workbench, model: OpenModel) {
    this.#workbench = workbench;
    this.#model = model;
  }

  /** Fetches the test images, and keeps what is in sight up to date from then on. */
  async begin(): Promise<void> {
    const images = await testImages();
    if (this.#isOver) return;
    this.images.value = images;
    this.show(images[0]);
    this.#testing = new Testing(images);
    this.#stopWatching = this.#inSight.subscribe(() => void this.#work());
  }

  show(image: TestImage | undefined): void {
    if (image !== undefined) this.picture.value = image;
  }

  /** Nothing of it is left. */
  end(): void {
    this.#isOver = true;
    this.#stopWatching();
    this.#testing?.end();
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    try {
      for (let task = this.#next(); task !== undefined && !this.#isOver; task = this.#next()) {
        await this.#do(task);
      }
    } finally {
      this.#isWorking = false;
    }
  }

  /**
   * What is in sight comes first, and of that what the slider asks for and what it is compared with; its answers come
   * before those of anything else.
   */
  #next(): Wanted | undefined {
    const everywhere = this.everywhere.peek();
    const later = ALL_BITS.map((bits): Wanted => ({ kind: 'bits', bits, everywhere }));
    const tested = this.#tested.peek();
    const compared: readonly Wanted[] = [{ kind: 'float' }, this.own.peek()];
    for (const wanted of [compared, this.#inSight.peek(), later]) {
      const isThere = (of: Wanted) => tested.get(this.#keyOf(of)) !== undefined;
      const isTested = (of: Wanted) => tested.get(this.#keyOf(of))?.answers !== undefined;
      const next = wanted.find((of) => !isThere(of)) ?? wanted.find((of) => !isTested(of));
      if (next !== undefined) return next;
    }
    return undefined;
  }

  async #do(wanted: Wanted): Promise<void> {
    const key = this.#keyOf(wanted);
    const before = this.#tested.peek().get(key);
    const tested = before === undefined ? await this.#make(wanted) : await this.#test(before);
    if (!this.#isOver) this.#tested.value = new Map(this.#tested.peek()).set(key, tested);
  }

  async #make(wanted: Wanted): Promise<Tested> {
    const { handle, catalog } = this.#model;
    try {
      if (wanted.kind === 'float') {
        return { variant: { weights: await weightsOf(handle), bytes: catalog.bytes } };
      }
      if (wanted.kind === 'bits') {
        return { variant: await quantizedVariant(handle, optionsOf(wanted)) };
      }
      const { blob, report } = wanted.run;
      return { variant: await variantOf(blob, report.sizes.outputBytes) };
    } catch {
      // The model was closed, or the run was removed: nobody waits for it any more.
      return { variant: undefined, answers: new Uint8Array() };
    }
  }

  async #test(tested: Tested): Promise<Tested> {
    if (this.#testing === undefined || tested.variant === undefined) return tested;
    const answers = await this.#testing.answers(tested.variant.weights);
    return { ...tested, answers, right: countRight(answers, this.images.peek()) };
  }

  #answersOf(wanted: Wanted): Answers | undefined {
    return this.#tested.value.get(this.#keyOf(wanted))?.answers;
  }

  #keyOf(wanted: Wanted): string {
    if (wanted.kind === 'float') return 'float';
    if (wanted.kind === 'bits') return `${wanted.bits}${wanted.everywhere ? ' everywhere' : ''}`;
    const key = this.#runs.get(wanted.run) ?? `run ${crypto.randomUUID()}`;
    this.#runs.set(wanted.run, key);
    return key;
  }
}

/** As the command takes them; all else is the engine's to choose. */
export function optionsOf({ bits, everywhere }: Wanted & { kind: 'bits' }): PlanOptions {
  return everywhere ? { bits, defaultIgnore: false, minElements: 0 } : { bits };
}
