/**
 * Layers that are left out of a model: which tensors go, and what the others are called then.
 * It exists because a loader counts layers and asks for each by its number: the rest has to follow one another again.
 * Layers go as a whole or not at all.
 */
import { MonoquantError } from './errors.js';
import type { KeptLayers } from './model-config.js';
import { matchNames } from './patterns.js';

export interface LayerDrop {
  /** Indices of tensors. */
  readonly leftOut: readonly number[];
  /** Tensors behind them, with their new names. */
  readonly renamed: readonly (readonly [index: number, name: string])[];
  readonly layers: KeptLayers;
}

/** What stacks of layers that are alike are called: `model.layers`, `transformer.h`, `encoder.block`. */
const LAYER = /^((?:[^.]+\.)*?(?:layers|layer|blocks|block|h))\.(\d+)\.(.+)$/;

interface Place {
  readonly stack: string;
  readonly number: number;
  readonly rest: string;
}

export function layerDrop(patterns: readonly string[], names: readonly string[]): LayerDrop {
  const places = names.map(placeOf);
  const leftOut = new Set<number>();
  const dropped = new Map<string, Set<number>>();
  for (const pattern of patterns) {
    for (const index of matchNames(pattern, names, 'layer')) {
      const place = places[index];
      if (place === undefined) throw noLayer(pattern, names[index] ?? '');
      dropped.set(place.stack, (dropped.get(place.stack) ?? new Set()).add(place.number));
      leftOut.add(index);
    }
  }
  const [[stack, numbers] = ['', new Set<number>()], ...others] = [...dropped];
  if (others.length > 0) throw severalStacks([stack, ...others.map(([name]) => name)]);
  places.forEach((place, index) => {
    const isMissed = place?.stack === stack && numbers.has(place.number) && !leftOut.has(index);
    if (isMissed) throw halfLayer(names, leftOut, place, index);
  });
  const all = [
    ...new Set(places.flatMap((place) => (place?.stack === stack ? [place.number] : []))),
  ];
  const kept = all.filter((number) => !numbers.has(number)).sort((a, b) => a - b);
  const total = Math.max(...all) + 1;
  if (kept.length === 0) throw noneLeft(stack);
  if (all.length !== total) throw gaps(stack, all.length, total);
  const renamed = places.flatMap((place, index) => {
    if (place?.stack !== stack || numbers.has(place.number)) return [];
    const number = kept.indexOf(place.number);
    const isMoved = number !== place.number;
    return isMoved ? [[index, `${stack}.${number}.${place.rest}`] as const] : [];
  });
  return { leftOut: [...leftOut].sort((a, b) => a - b), renamed, layers: { total, kept } };
}

function placeOf(name: string): Place | undefined {
  const [, stack, number, rest] = LAYER.exec(name) ?? [];
  if (stack === undefined || number === undefined || rest === undefined) return undefined;
  return { stack, number: Number(number), rest };
}

function noLayer(pattern: string, name: string): MonoquantError {
  return new MonoquantError(
    'invalid-options',
    `Expected whole layers to leave out, but "${pattern}" matches "${name}", which is in none.`,
    {
      suggestion: 'Name layers by their stack and number, such as "model.layers.7".',
      tensor: name,
    },
  );
}

function halfLayer(
  names: readonly string[],
  leftOut: ReadonlySet<number>,
  { stack, number }: Place,
  missed: number,
): MonoquantError {
  const name = names[missed] ?? '';
  const layer = `${stack}.${number}`;
  const matched = [...leftOut].flatMap((index) => {
    const found = names[index] ?? '';
    return found.startsWith(`${layer}.`) ? [found.slice(layer.length)] : [];
  });
  const isOfExperts = matched.every((rest) => /\.experts\.\d+\./.test(rest));
  return new MonoquantError(
    'invalid-options',
    isOfExperts
      ? `Single experts cannot be left out, since their router would have to change with them: expected all of "${layer}", but "${name}" would stay.`
      : `Layers are left out as a whole: expected all of "${layer}", but "${name}" would stay.`,
    { suggestion: `Name the layer: "${layer}".`, tensor: name },
  );
}

function severalStacks(stacks: readonly string[]): MonoquantError {
  return new MonoquantError(
    'invalid-options',
    `Expected layers of one stack to leave out, found some of ${stacks.map((name) => `"${name}"`).join(' and ')}.`,
    { suggestion: 'Leave out those of one, and then those of the other.' },
  );
}

function noneLeft(stack: string): MonoquantError {
  return new MonoquantError(
    'invalid-options',
    `Expected some layers of "${stack}" to stay, but all of them would be left out.`,
    { suggestion: 'Leave out fewer.' },
  );
}

function gaps(stack: string, found: number, total: number): MonoquantError {
  return new MonoquantError(
    'invalid-options',
    `Expected the layers of "${stack}" to be numbered from 0 on, found ${found} of ${total}.`,
    { suggestion: 'Take the whole model.' },
  );
}
