/**
 * JSON text whose content has a type: large documents cross borders as the text that they are, and are parsed by
 * whoever looks into them.
 */
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

/** A document with one more member, which is text already. */
export function withMember<Document extends object, Key extends string, Member>(
  document: Document,
  key: Key,
  member: Json<Member>,
): Json<Document & Record<Key, Member>> {
  const members = Object.entries(document).map(([name, value]) => [name, toJson(value)] as const);
  const texts = [...members, [key, member] as const].map(
    ([name, text]) => `${toJson(name)}:${text}`,
  );
  return `{${texts.join()}}` as Json<Document & Record<Key, Member>>;
}
