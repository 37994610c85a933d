/**
 * How many of the test images a variant gets right, counted in a worker: 500 answers take most of a second.
 * It exists so that the pen stays quick meanwhile.
 */
import type { Weights } from './network.js';
import type { TestImage } from './sample.js';

/** What a variant answers to each of the test images. */
export type Answers = Uint8Array;

export class Testing {
  readonly #worker = new Worker(new URL('./testing-worker.ts', import.meta.url), {
    type: 'module',
  });
  readonly #waiting: ((answers: Answers) => void)[] = [];

  constructor(images: readonly TestImage[]) {
    this.#worker.onmessage = ({ data }: MessageEvent<Answers>) => this.#waiting.shift()?.(data);
    this.#worker.postMessage(images.map(({ pixels }) => pixels));
  }

  answers(weights: Weights): Promise<Answers> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#worker.postMessage(weights);
    });
  }

  end(): void {
    this.#worker.terminate();
  }
}

export function countRight(answers: Answers, images: readonly TestImage[]): number {
  return images.filter(({ label }, index) => answers[index] === label).length;
}
