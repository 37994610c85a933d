/**
 * Which tensors are quantized, and which of them in another way than the rest.
 */
import { LAYER_KINDS } from '../catalog.js';
import { checkList, checkObject, checkText, unexpected } from '../check.js';
import { areCodes } from '../schemes.js';
import * as needs from './conflict.js';
import { checkOptions, type Entries, type ValueOf } from './entry.js';
import { HOW } from './how.js';
import { choices, type Kind, onOrOff, patterns, wholeNumber } from './kind.js';

type How = typeof HOW;

/** What one `--layer PATTERN=…` changes for the tensors it matches. `bits: 'none'` leaves them alone. */
export type LayerOverride = { readonly pattern: string } & {
  readonly [Key in keyof How as How[Key] extends { override: string } ? Key : never]?: ValueOf<
    How[Key]
  >;
};

/** Options that tensors may have each for itself. */
export const OF_TENSORS: Entries = Object.fromEntries(
  Object.entries(HOW).filter(([, entry]) => 'override' in entry),
);

const overrides: Kind<readonly LayerOverride[]> = {
  form: { kind: 'overrides' },
  check: (value, key) => checkList(value, key, checkOverride),
};

export const WHAT = {
  /** Kinds that may be quantized. */
  layers: {
    kind: choices(LAYER_KINDS),
    // From left to right: those whose loaders are the most common.
    default: [
      ...(['linear', 'conv1d', 'conv2d', 'conv3d', 'lstm', 'gru', 'rnn', 'experts'] as const),
      'conv-transpose',
    ],
    flag: { value: 'KIND,KIND', help: 'only these kinds (`info` lists them)' },
    control: { label: 'Layers to quantize' },
  },
  /** Patterns of tensors or modules to leave alone. */
  ignore: {
    kind: patterns,
    default: [],
    flag: { value: 'PATTERN', help: 'leave these tensors alone (repeatable)' },
    control: { label: 'Leave alone' },
  },
  /**
   * Patterns of whole layers to leave out of the model, such as `model.layers.7`. Those behind them are numbered anew,
   * and config.json in an output folder says how many are left.
   */
  drop: {
    kind: patterns,
    default: [],
    needs: [needs.droppable],
    flag: { value: 'PATTERN', help: 'leave whole layers out (repeatable)', rare: true },
  },
  /** Leave embeddings, heads, routers and what no loader takes alone; true by default. */
  defaultIgnore: {
    kind: onOrOff,
    default: true,
    flag: {
      name: 'no-default-ignore',
      negated: true,
      help: 'do not spare embeddings, heads, routers',
    },
    control: {
      label: 'Also embeddings, heads and routers',
      help: 'They are spared by default: small errors there cost much.',
    },
  },
  /** Other choices for some tensors. */
  overrides: {
    kind: overrides,
    resolve: withMethod,
    needs: [needs.quantizing],
    flag: {
      name: 'layer',
      value: 'PATTERN=CHOICES',
      help: 'other choices for these (repeatable)',
    },
  },
  /** Tensors with fewer elements are left alone: 512 by default. */
  minElements: {
    kind: wholeNumber(0),
    default: 512,
    flag: { value: 'N', help: 'leave smaller tensors alone' },
    control: { label: 'Smallest tensor to quantize, in weights' },
  },
} as const satisfies Entries;

function checkOverride(element: unknown, key: string): LayerOverride {
  const given = checkObject(element, key, ['pattern', ...Object.keys(OF_TENSORS)]);
  const pattern = checkText(given.pattern, `${key}.pattern`);
  if (pattern === undefined) throw unexpected('a pattern', `${key}.pattern`, undefined);
  return { pattern, ...checkOptions(OF_TENSORS, given, (name) => `${key}.${name}`) };
}

/** Other bits bring a method of their own, unless the caller has chosen one for all. */
function withMethod({ overrides = [], method }: WithMethod): readonly LayerOverride[] {
  if (method === undefined) return overrides;
  return overrides.map((override) =>
    areCodes(override.bits) ? { method, ...override } : override,
  );
}

type WithMethod = Pick<LayerOverride, 'method'> & { readonly overrides?: readonly LayerOverride[] };
