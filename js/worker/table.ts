/**
 * Rows of like objects as columns: what has to be said of every tensor crosses between threads in a fraction of the
 * bytes of its JSON, because keys and words are said once and numbers are as narrow as they can be.
 */
type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** One entry a row: numbers; or values of which most come again; or anything. */
type Column = Numbers | { readonly words: readonly unknown[]; readonly of: Numbers } | unknown[];

declare const row: unique symbol;

/** Survives structured cloning, and gives the same rows again. */
export interface Table<Row> {
  readonly [row]?: Row;
  readonly length: number;
  readonly columns: readonly (readonly [key: string, column: Column])[];
}

/** A key that one row has is a key of all; rows without it have undefined there. */
export function tableOf<Row extends object>(rows: readonly Row[]): Table<Row> {
  const keys = new Set(rows.flatMap((each) => Object.keys(each)));
  const columns = [...keys].map(
    (key) => [key, columnOf(rows.map((each) => each[key as keyof Row]))] as const,
  );
  return { length: rows.length, columns };
}

export function rowsOf<Row>({ length, columns }: Table<Row>): Row[] {
  const rows = Array.from({ length }, (): Record<string, unknown> => ({}));
  for (const [key, column] of columns) {
    rows.forEach((each, index) => {
      const value = 'words' in column ? column.words[column.of[index] ?? 0] : column[index];
      if (value !== undefined) each[key] = value;
    });
  }
  return rows as Row[];
}

function columnOf(values: unknown[]): Column {
  if (values.every((value) => typeof value === 'number')) return narrowest(values);
  const keys = values.map(keyOf);
  const words = new Map(keys.map((key, index) => [key, values[index]]));
  if (2 * words.size > values.length) return values;
  const places = new Map([...words.keys()].map((key, place) => [key, place]));
  return { words: [...words.values()], of: narrowest(keys.map((key) => places.get(key) ?? 0)) };
}

/** The same for values that look the same: shapes, and how tensors are stored, come again as often as words. */
function keyOf(value: unknown): unknown {
  // A column holds objects, or words, or numbers; some rows may have nothing.
  return typeof value === 'object' ? JSON.stringify(value) : value;
}

function narrowest(values: readonly number[]): Numbers {
  const isCount = values.every((value) => value >>> 0 === value && !Object.is(value, -0));
  if (!isCount) return Float64Array.from(values);
  const most = values.reduce((largest, value) => Math.max(largest, value), 0);
  if (most < 2 ** 8) return Uint8Array.from(values);
  return most < 2 ** 16 ? Uint16Array.from(values) : Uint32Array.from(values);
}
