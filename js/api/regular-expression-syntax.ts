/**
 * The parts of a regular expression, as JavaScript reads it without flags.
 * Single characters stay in JavaScript's words: what a class or an escape stands for is asked there, one by one.
 */

export type Expression =
  | { readonly kind: 'unit'; readonly test: (unit: string) => boolean }
  | { readonly kind: 'assert'; readonly holds: (text: string, at: number) => boolean }
  | {
      readonly kind: 'look';
      readonly isAhead: boolean;
      readonly isNegative: boolean;
      readonly body: Expression;
    }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Expression[] }
  | {
      readonly kind: 'repeat';
      readonly body: Expression;
      readonly least: number;
      readonly most: number;
    };

/** `source` is what JavaScript takes. Throws a SyntaxError about what is not followed here. */
export function parseExpression(source: string): Expression {
  return new Parser(source).parse();
}

const QUANTIFIER = /(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})\??/y;
const GROUP = /\((?:\?(?::|<?[=!]|<[^>=!][^>]*>))?/y;
const CLASS = /\[\^?(?:\\[\s\S]|[^\]\\])*\]/y;
const ESCAPE = /\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|c[a-zA-Z]|0[0-7]{0,2}|[\s\S])/y;

const WORD = /\w/;
const isBoundary = (text: string, at: number) =>
  WORD.test(text.charAt(at - 1)) !== WORD.test(text.charAt(at));

const ASSERTIONS: Readonly<Record<string, (text: string, at: number) => boolean>> = {
  '^': (_, at) => at === 0,
  $: (text, at) => at === text.length,
  '\\b': isBoundary,
  '\\B': (text, at) => !isBoundary(text, at),
};

class Parser {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  parse(): Expression {
    const parts = [this.#sequence()];
    while (this.#source.charAt(this.#at) === '|') {
      this.#at += 1;
      parts.push(this.#sequence());
    }
    return { kind: 'choice', parts };
  }

  #sequence(): Expression {
    const parts: Expression[] = [];
    while (this.#at < this.#source.length && !/[|)]/.test(this.#source.charAt(this.#at))) {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: 'sequence', parts };
  }

  #repeated(body: Expression): Expression {
    const found = this.#take(QUANTIFIER);
    if (found === undefined) return body;
    const [, sign, least = '0', comma, most = ''] = found;
    if (sign !== undefined) {
      return {
        kind: 'repeat',
        body,
        least: sign === '+' ? 1 : 0,
        most: sign === '?' ? 1 : Infinity,
      };
    }
    const end = comma === undefined ? Number(least) : most === '' ? Infinity : Number(most);
    return { kind: 'repeat', body, least: Number(least), most: end };
  }

  #atom(): Expression {
    const group = this.#take(GROUP)?.[0];
    if (group !== undefined) {
      // Flags for a part of an expression.
      if (group === '(' && this.#source.charAt(this.#at) === '?') throw unfollowed('(?');
      const body = this.parse();
      this.#at += 1; // )
      if (!/[=!]$/.test(group)) return body;
      return {
        kind: 'look',
        isAhead: !group.includes('<'),
        isNegative: group.endsWith('!'),
        body,
      };
    }
    const text = (this.#take(CLASS) ?? this.#take(ESCAPE))?.[0] ?? this.#source.charAt(this.#at++);
    if (/^\\[1-9k]/.test(text)) throw unfollowed(text);
    const holds = ASSERTIONS[text];
    return holds === undefined ? { kind: 'unit', test: unitTest(text) } : { kind: 'assert', holds };
  }

  #take(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#source) ?? undefined;
    if (found !== undefined) this.#at += found[0].length;
    return found;
  }
}

/** Most are letters. */
function unitTest(text: string): (unit: string) => boolean {
  if (text.length === 1 && text !== '.') return (unit) => unit === text;
  const expression = new RegExp(`^(?:${text})$`);
  const known = new Map<string, boolean>();
  return (unit) => {
    const is = known.get(unit) ?? expression.test(unit);
    known.set(unit, is);
    return is;
  };
}

function unfollowed(text: string): SyntaxError {
  return new SyntaxError(`${text} is not supported`);
}
