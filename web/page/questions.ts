/**
 * What the page asks before something is lost that cannot be had again without work.
 * It exists because a result is easily dropped on the floor: by another model, or by a click beside the right one.
 * One question at a time; whoever asks a second one takes the first back.
 */
import { signal } from '@preact/signals';

export interface Question {
  /** `open other.safetensors`: what was begun. */
  readonly what: string;
  /** What is gone then. */
  readonly lost: readonly string[];
}

export class Questions {
  readonly asked = signal<Question | undefined>(undefined);
  #answer: ((yes: boolean) => void) | undefined;

  /** Whether to go on. */
  ask(question: Question): Promise<boolean> {
    this.answer(false);
    this.asked.value = question;
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  answer(yes: boolean): void {
    this.asked.value = undefined;
    this.#answer?.(yes);
    this.#answer = undefined;
  }
}
