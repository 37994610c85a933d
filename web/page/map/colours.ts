/**
 * The colours of the map: by bits, before a run, and by measured error, after it.
 * They differ in lightness as well as in hue, and no two that stand for contraries are red and green: people who tell
 * few hues apart, and prints without colour, show the same order.
 */

export interface Shade {
  readonly colour: string;
  /** Of text on it. */
  readonly ink: string;
}

/** What a tensor is to become, the smallest first. */
export const FATES = ['4 bits', '8 bits', '16 bits', 'left alone'] as const;
export type Fate = (typeof FATES)[number];

const [DARK, LIGHT] = ['#10151d', '#ffffff'];

export const FATE_SHADES: Readonly<Record<Fate, Shade>> = {
  '4 bits': { colour: '#f0c24a', ink: DARK },
  '8 bits': { colour: '#4aa3c7', ink: DARK },
  '16 bits': { colour: '#5a4a96', ink: LIGHT },
  'left alone': { colour: '#98a2af', ink: DARK },
};

/** From much error to none: brown over pale to blue. */
const STOPS: readonly (readonly [number, number, number])[] = [
  [110, 44, 8],
  [194, 98, 22],
  [240, 178, 92],
  [238, 228, 204],
  [140, 190, 222],
  [52, 120, 186],
  [16, 56, 116],
];

/** Nobody tells more apart, and few shades are drawn faster than many. */
const SHADES = 64;
const shades: (Shade | undefined)[] = [];

/** `share`: 0 is the worst, 1 the best. Equal shades are the same object. */
export function errorShade(share: number): Shade {
  const step = Math.round(Math.min(Math.max(share, 0), 1) * SHADES);
  shades[step] ??= shadeAt(step / SHADES);
  return shades[step];
}

function shadeAt(share: number): Shade {
  const at = share * (STOPS.length - 1);
  const index = Math.min(Math.floor(at), STOPS.length - 2);
  const [from, to] = [STOPS[index] ?? [0, 0, 0], STOPS[index + 1] ?? [0, 0, 0]];
  const [red = 0, green = 0, blue = 0] = from.map((value, channel) =>
    Math.round(value + ((to[channel] ?? 0) - value) * (at - index)),
  );
  const light = 0.299 * red + 0.587 * green + 0.114 * blue;
  return { colour: `rgb(${red} ${green} ${blue})`, ink: light > 125 ? DARK : LIGHT };
}

/** Of the legend. */
export const ERROR_GRADIENT = `linear-gradient(to right, ${STOPS.map(
  (stop) => `rgb(${stop.join(' ')})`,
).join(', ')})`;
