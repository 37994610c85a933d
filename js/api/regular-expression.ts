/**
 * Regular expressions as users write them, matched in linear time.
 * JavaScript's own matching goes back and tries again: some expressions take ages on some names, and the names come
 * from files. Here all ways through an expression are followed side by side, so that time grows with the lengths of
 * the expression and of the name, and with nothing else.
 * The language is JavaScript's, without what needs going back: references to groups.
 */

import { type Direction, type Fork, Program, type Step } from './regular-expression-program.js';
import { type Expression, parseExpression } from './regular-expression-syntax.js';

/** Copies of what is repeated count: more is no name's expression. */
const MOST_STEPS = 10_000;

type Holds = (text: string, at: number) => boolean;
type Look = Extract<Expression, { kind: 'look' }>;
type Repeat = Extract<Expression, { kind: 'repeat' }>;

export class RegularExpression {
  readonly #program: Program;
  readonly #looks = new Map<Look, Holds>();

  private constructor(expression: Expression) {
    this.#program = compile(expression, 1, this.#looks);
  }

  /** Throws a SyntaxError. */
  static parse(source: string): RegularExpression {
    // The engine's own words for what is wrong with it.
    new RegExp(source);
    return new RegularExpression(parseExpression(source));
  }

  /** Whether `text` begins with a match. */
  matchesStart(text: string): boolean {
    return this.#program.walk(text, { isEverywhere: false, found: () => true });
  }
}

function compile(expression: Expression, direction: Direction, looks: Map<Look, Holds>): Program {
  const program: Step[] = [];
  const add = (step: Step) => {
    if (program.length >= MOST_STEPS) {
      throw new SyntaxError(`with all repetitions it has more than ${MOST_STEPS} parts`);
    }
    program.push(step);
  };
  /** A fork whose other way is set when it is known. */
  const fork = (): Fork => {
    const step: Fork = { kind: 'fork', next: program.length + 1, other: program.length + 1 };
    add(step);
    return step;
  };
  const write = (part: Expression): void => {
    if (part.kind === 'unit' || part.kind === 'assert') add(part);
    else if (part.kind === 'look') add({ kind: 'assert', holds: look(part, looks) });
    else if (part.kind === 'choice') writeChoice(part.parts);
    else if (part.kind === 'repeat') writeRepeat(part);
    else for (const one of direction === 1 ? part.parts : [...part.parts].reverse()) write(one);
  };
  const writeChoice = (parts: readonly Expression[]) => {
    const exits: Fork[] = [];
    parts.forEach((choice, index) => {
      const isLast = index === parts.length - 1;
      const entry = isLast ? undefined : fork();
      write(choice);
      if (entry === undefined) return;
      exits.push(fork());
      entry.other = program.length;
    });
    for (const exit of exits) exit.next = exit.other = program.length;
  };
  const writeRepeat = ({ body, least, most }: Repeat) => {
    const begin = program.length;
    for (let count = 0; count < least; count += 1) {
      write(body);
      if (program.length === begin) break; // however often, it is nothing
    }
    const exits: Fork[] = [];
    if (most === Infinity) {
      const back = program.length;
      exits.push(fork());
      write(body);
      const again = fork();
      again.next = again.other = back;
    } else {
      for (let count = least; count < most; count += 1) {
        exits.push(fork());
        write(body);
      }
    }
    for (const exit of exits) exit.other = program.length;
  };
  write(expression);
  add({ kind: 'end' });
  return new Program(program, direction);
}

/** Ahead is walked backwards from every end, behind forwards from every beginning: once for all places of a text. */
function look(part: Look, looks: Map<Look, Holds>): Holds {
  const known = looks.get(part);
  if (known !== undefined) return known;
  const program = compile(part.body, part.isAhead ? -1 : 1, looks);
  let walked: string | undefined;
  let isTrue = new Uint8Array(0);
  const holds: Holds = (text, at) => {
    if (walked !== text) {
      walked = text;
      isTrue = new Uint8Array(text.length + 1);
      const found = (place: number) => {
        isTrue[place] = 1;
        return false;
      };
      program.walk(text, { isEverywhere: true, found });
    }
    return (isTrue[at] === 1) !== part.isNegative;
  };
  looks.set(part, holds);
  return holds;
}
