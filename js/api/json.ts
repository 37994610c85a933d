/**
 * JSON text whose content has a type: large documents cross borders as the text that they are, and are parsed by
 * whoever looks into them.
 */
import { pause } from './pause.js';

declare const content: unique symbol;

/** JSON of a `Document`. */
export type Json<Document> = string & { readonly [content]: Document };

export function toJson<Document>(document: Document): Json<Document> {
  return JSON.stringify(document) as Json<Document>;
}

export function parseJson<Document>(text: Json<Document>): Document {
  return JSON.parse(text) as Document;
}

export function jsonList<Element>(texts: readonly Json<Element>[]): Json<readonly Element[]> {
  return `[${texts.join()}]` as Json<readonly Element[]>;
}

/** The document with some members more, each as the text that it is: long ones are not parsed for it. */
export function withMembers<Document extends object, Members extends object>(
  document: Document,
  texts: { readonly [Key in keyof Members]: Json<Members[Key]> },
): Json<Document & Members> {
  const members = Object.entries(document).map(([name, value]) => [name, toJson(value)] as const);
  const all = [...members, ...Object.entries<string>(texts)];
  return `{${all.map(([name, text]) => `${toJson(name)}:${text}`).join()}}` as Json<
    Document & Members
  >;
}

/** A large document, whose one long list crosses in pieces: parsed at once it would keep a page from answering. */
export interface Pieces<Document extends object, Key extends keyof Document> {
  /** With nothing in place of the list, so that its members keep their order. */
  readonly rest: Json<Omit<Document, Key>>;
  readonly key: Key;
  readonly pieces: readonly Json<Document[Key]>[];
}

/** Small documents cross whole. */
export type Parted<Document extends object, Key extends keyof Document> =
  | Json<Document>
  | Pieces<Document, Key>;

/** Characters; less is parsed in a few milliseconds. */
const LARGE = 1 << 20;
/** Elements. */
const PIECE = 4000;

type WithList<Key extends string> = { readonly [K in Key]: readonly unknown[] };

/** For the side that has time. */
export function parted<Key extends string, Document extends WithList<Key>>(
  text: Json<Document>,
  key: Key,
): Parted<Document, Key> {
  if (text.length < LARGE) return text;
  const document = parseJson(text);
  const list = document[key];
  const pieces: Json<Document[Key]>[] = [];
  for (let begin = 0; begin < list.length; begin += PIECE) {
    const piece: unknown = list.slice(begin, begin + PIECE);
    pieces.push(toJson(piece as Document[Key]));
  }
  return { rest: toJson({ ...document, [key]: null }), key, pieces };
}

/** For the side that must not wait: whoever else wants to is let in between two pieces. */
export async function joined<Key extends string, Document extends WithList<Key>>(
  document: Parted<Document, Key>,
): Promise<Document> {
  if (typeof document === 'string') return parseJson(document);
  const { rest, key, pieces } = document;
  const list: unknown[] = [];
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await pause();
    for (const element of parseJson(piece)) list.push(element);
  }
  return { ...parseJson(rest), [key]: list } as unknown as Document;
}
