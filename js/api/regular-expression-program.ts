/**
 * The steps of a regular expression, and how all ways through them are followed at once.
 * Where the ways stand together after some text is a state; states that were met before are not worked out again.
 */

/** Forwards or backwards through a text. */
export type Direction = 1 | -1;

/** Goes on at two places. */
export interface Fork {
  readonly kind: 'fork';
  next: number;
  other: number;
}

/** One of these at each place of a program. */
export type Step =
  | Fork
  | { readonly kind: 'unit'; readonly test: (unit: string) => boolean }
  | { readonly kind: 'assert'; readonly holds: (text: string, at: number) => boolean }
  | { readonly kind: 'end' };

export interface Walk {
  /** Whether ways begin at every place of the text, or only at the first one. */
  readonly isEverywhere: boolean;
  /** Called if a way ends at a place of the text; true stops the walk. */
  readonly found: (at: number) => boolean;
}

/** Places at which the ways have arrived by the last unit of the text. */
interface State {
  readonly places: readonly number[];
  /** By what the assertions say there. */
  readonly fronts: Map<string, Front>;
}

/** Where they wait for the next unit. */
interface Front {
  readonly units: readonly number[];
  readonly isEnd: boolean;
  readonly next: Map<string, State>;
}

/** More are forgotten: an expression may have very many. */
const MOST_STATES = 2000;

export class Program {
  readonly #steps: readonly Step[];
  readonly #direction: Direction;
  readonly #assertions: readonly ((text: string, at: number) => boolean)[];
  readonly #states = new Map<string, State>();

  constructor(steps: readonly Step[], direction: Direction) {
    this.#steps = steps;
    this.#direction = direction;
    const holds = steps.flatMap((step) => (step.kind === 'assert' ? step.holds : []));
    this.#assertions = [...new Set(holds)];
  }

  /** Returns whether the walk was stopped. */
  walk(text: string, { isEverywhere, found }: Walk): boolean {
    const isForward = this.#direction === 1;
    const [first, last] = isForward ? [0, text.length] : [text.length, 0];
    const begins = isEverywhere ? [0] : [];
    let state = this.#state([0]);
    for (let at = first; ; at += this.#direction) {
      const front = this.#front(state, text, at);
      if (front.isEnd && found(at)) return true;
      if (at === last || (front.units.length === 0 && !isEverywhere)) return false;
      const unit = text.charAt(isForward ? at : at - 1);
      let next = front.next.get(unit);
      if (next === undefined) {
        next = this.#state([...begins, ...this.#stepped(front.units, unit)]);
        front.next.set(unit, next);
      }
      state = next;
    }
  }

  #state(places: readonly number[]): State {
    const key = places.join();
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    if (this.#states.size >= MOST_STATES) {
      for (const { fronts } of this.#states.values()) fronts.clear();
      this.#states.clear();
    }
    const state: State = { places, fronts: new Map() };
    this.#states.set(key, state);
    return state;
  }

  #front(state: State, text: string, at: number): Front {
    const answers = this.#assertions.map((holds) => holds(text, at));
    const key = answers.join();
    const known = state.fronts.get(key);
    if (known !== undefined) return known;
    const holding = new Set(this.#assertions.filter((_, index) => answers[index]));
    const front = this.#opened(state.places, (step) => holding.has(step.holds));
    state.fronts.set(key, front);
    return front;
  }

  /** Follows all that takes no unit. */
  #opened(
    places: readonly number[],
    isTrue: (step: Extract<Step, { kind: 'assert' }>) => boolean,
  ): Front {
    const met = new Set<number>();
    const units: number[] = [];
    const open = [...places];
    let isEnd = false;
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      const step = this.#steps[place];
      if (step === undefined || met.has(place)) continue;
      met.add(place);
      if (step.kind === 'unit') units.push(place);
      else if (step.kind === 'fork') open.push(step.other, step.next);
      else if (step.kind === 'end') isEnd = true;
      else if (isTrue(step)) open.push(place + 1);
    }
    return { units: units.sort((a, b) => a - b), isEnd, next: new Map() };
  }

  #stepped(units: readonly number[], unit: string): readonly number[] {
    return units.flatMap((place) => {
      const step = this.#steps[place];
      return step?.kind === 'unit' && step.test(unit) ? place + 1 : [];
    });
  }
}
