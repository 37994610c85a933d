/**
 * How large an output may become, as people say it: "4.25bpw", "800MB", "40%".
 */

/** What a budget is about. */
export type Budget =
  /** Bits of each weight that can be quantized, with its scales and all else that stands for it, on average. */
  | { readonly kind: 'bitsPerWeight'; readonly value: number }
  /** Of all files of the output. */
  | { readonly kind: 'bytes'; readonly value: number }
  /** Of the bytes of the source. */
  | { readonly kind: 'share'; readonly value: number };

const SIZES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
};

/** Undefined if the text says none. More than 32 bits a weight, or all of the source, is no budget. */
export function budgetOf(text: string): Budget | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*(bpw|%|([kmgt]i?)?b?)$/i.exec(text.trim());
  const [, number = '', unit = '', size = ''] = found ?? [];
  const value = Number(number);
  if (found === null || !(value > 0)) return undefined;
  switch (unit.toLowerCase()) {
    case 'bpw':
      return value > 32 ? undefined : { kind: 'bitsPerWeight', value };
    case '%':
      return value > 100 ? undefined : { kind: 'share', value: value / 100 };
    default: {
      const bytes = Math.floor(value * (SIZES[size.toLowerCase()] ?? 1));
      return Number.isSafeInteger(bytes) ? { kind: 'bytes', value: bytes } : undefined;
    }
  }
}
