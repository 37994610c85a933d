/**
 * Size against loss, measured on a sample of the open model before any run.
 * It exists apart because it takes a moment and nobody has to ask for it: it is measured when somebody looks.
 */
import { signal } from '@preact/signals';
import type { SizeCurve } from 'monoquant';
import type { Choice } from './choice.js';
import type { OpenModel } from './open-model.js';
import { Work } from './work.js';

/** Of each tensor: enough for a picture, little to read. */
const SAMPLE = 1 << 16;

export class Weighing {
  readonly work = new Work();
  readonly curve = signal<SizeCurve | undefined>(undefined);

  /** With what is chosen besides bits and sizes. */
  async run({ handle }: OpenModel, choice: Choice): Promise<void> {
    const { bits: _, budget: __, strategy: ___, ...others } = choice;
    this.curve.value = undefined;
    try {
      this.curve.value = await this.work.run((run) =>
        handle.sizeCurve({ ...others, sample: SAMPLE, ...run }),
      );
    } catch {
      // The work has kept what went wrong.
    }
  }

  /** It was about another model, or about other choices. */
  forget(): void {
    this.work.forget();
    this.curve.value = undefined;
  }
}
