/**
 * A JSON object as the text that somebody wrote, to read members of and to change a few of them.
 * Rewriting a whole document would lose what JavaScript does not keep: 1.0, the order of keys, the indentation.
 * Reads what Python's json module does, NaN and Infinity included; what is not changed stays as it is.
 */
import { parseGiven, STRING } from './given-json.js';

interface Member {
  readonly key: string;
  /** Of the key's opening quote. */
  readonly begin: number;
  readonly valueBegin: number;
  readonly valueEnd: number;
}

const TOKEN = new RegExp(`${STRING}|[{}[\\]:,]`, 'g');

export class JsonObjectText {
  readonly text: string;
  readonly #members: readonly Member[];

  private constructor(text: string, members: readonly Member[]) {
    this.text = text;
    this.#members = members;
  }

  /** Undefined where the text is no JSON object. */
  static parse(text: string): JsonObjectText | undefined {
    try {
      const value = parseGiven(text);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    } catch {
      return undefined;
    }
    return new JsonObjectText(text, membersOf(text));
  }

  /** In the order of the text. */
  entries(): readonly (readonly [key: string, value: unknown])[] {
    return this.#members.map(({ key, valueBegin, valueEnd }) => [
      key,
      parseGiven(this.text.slice(valueBegin, valueEnd)),
    ]);
  }

  /** Each once. */
  keys(): readonly string[] {
    return [...new Set(this.#members.map(({ key }) => key))];
  }

  /** The value of a member, where NaN is an infinity; undefined where there is none. */
  get(key: string): unknown {
    const member = this.#find(key);
    if (member === undefined) return undefined;
    return parseGiven(this.text.slice(member.valueBegin, member.valueEnd));
  }

  /** A member that is an object itself. */
  object(key: string): JsonObjectText | undefined {
    const member = this.#find(key);
    if (member === undefined) return undefined;
    return JsonObjectText.parse(this.text.slice(member.valueBegin, member.valueEnd));
  }

  /** With one member replaced, or added at the end, in the style of the others. */
  with(key: string, value: unknown): JsonObjectText {
    const member = this.#find(key);
    const last = this.#members.at(-1);
    const lead = last === undefined ? '\n  ' : this.#leadOf(last);
    const indentation = lead.slice(lead.lastIndexOf('\n') + 1);
    const json = lead.includes('\n')
      ? JSON.stringify(value, null, indentation).replaceAll('\n', lead)
      : JSON.stringify(value);
    if (member !== undefined) return this.#changed(member.valueBegin, member.valueEnd, json);
    const added = `${lead}${JSON.stringify(key)}: ${json}`;
    if (last !== undefined) return this.#changed(last.valueEnd, last.valueEnd, `,${added}`);
    return this.#changed(this.text.indexOf('{') + 1, this.text.lastIndexOf('}'), `${added}\n`);
  }

  /** With a member that is an object replaced by a changed copy of it. */
  withObject(key: string, object: JsonObjectText): JsonObjectText {
    const member = this.#find(key);
    if (member === undefined) return this;
    return this.#changed(member.valueBegin, member.valueEnd, object.text);
  }

  without(key: string): JsonObjectText {
    const index = this.#members.findIndex((member) => member.key === key);
    const member = this.#members[index];
    if (member === undefined) return this;
    const next = this.#members[index + 1];
    const previous = this.#members[index - 1];
    if (next !== undefined) return this.#changed(member.begin, next.begin, '').without(key);
    const begin = previous?.valueEnd ?? member.begin;
    return this.#changed(begin, member.valueEnd, '').without(key);
  }

  /** White space in front of a member. */
  #leadOf(member: Member): string {
    return /\s*$/.exec(this.text.slice(0, member.begin))?.[0] ?? '';
  }

  /** Of several members of one name the last one counts, in Python as here. */
  #find(key: string): Member | undefined {
    return this.#members.filter((member) => member.key === key).at(-1);
  }

  #changed(begin: number, end: number, replacement: string): JsonObjectText {
    const text = this.text.slice(0, begin) + replacement + this.text.slice(end);
    return new JsonObjectText(text, membersOf(text));
  }
}

/** `json` is an object. */
function membersOf(json: string): readonly Member[] {
  const members: Member[] = [];
  let depth = 0;
  let key: { readonly text: string; readonly begin: number } | undefined;
  let valueBegin = 0;
  for (const { 0: token, index } of json.matchAll(TOKEN)) {
    if ((token === ',' || token === '}') && depth === 1 && key !== undefined) {
      const value = json.slice(valueBegin, index);
      const begin = valueBegin + value.length - value.trimStart().length;
      members.push({
        key: JSON.parse(key.text) as string,
        begin: key.begin,
        valueBegin: begin,
        valueEnd: begin + value.trim().length,
      });
      key = undefined;
      valueBegin = 0;
    } else if (token === ':' && depth === 1) {
      valueBegin = index + 1;
    } else if (token.startsWith('"') && depth === 1 && valueBegin === 0) {
      key = { text: token, begin: index };
    }
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
  }
  return members;
}
