/**
 * Numbers that look random and are the same everywhere: the weights of generated models.
 * It exists because hashes are compared between hosts, so every bit of a model has to agree.
 * Only integer and exactly rounded operations: Math.log and its kin differ between engines.
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Mulberry32. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** From 0 to 1, 1 excluded. */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  /** Bell-shaped around 0 with a standard deviation of 1, as weights are. */
  bell(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.uniform();
    return sum;
  }
}
