/**
 * From the choices of a caller to a complete Configuration: defaults and contradictions.
 * It exists so that what goes with what is decided in one place, before any file is opened.
 * A Configuration that leaves this file is valid and has every choice spelled out.
 */
import {
  checkBoolean,
  checkChoice,
  checkList,
  checkObject,
  checkString,
  checkText,
  checkWholeNumber,
  contradiction,
  unexpected,
} from './check.js';
import type { OpenOptions, PlanOptions } from './plan-options.js';
import {
  BITS,
  type Bits,
  CONTAINERS,
  type Configuration,
  DEQUANTIZED_TYPES,
  FLOAT_TYPES,
  type FloatType,
  GROUP_SIZES,
  type GroupSize,
  LAYER_KINDS,
  type LayerKind,
  type LayerOverride,
  METHODS,
  type Method,
  type Mode,
  OUTPUT_FORMATS,
  SCHEMES,
  STRATEGIES,
} from './types.js';

export const PLAN_KEYS = [
  'bits',
  'dynamic',
  'weightsOnly',
  'scheme',
  'strategy',
  'groupSize',
  'method',
  'floatType',
  'format',
  'container',
  'duplicateTies',
  'layers',
  'ignore',
  'defaultIgnore',
  'overrides',
  'minElements',
] as const satisfies readonly (keyof PlanOptions)[];
export const OPEN_KEYS = ['key', 'stripPrefix'] as const satisfies readonly (keyof OpenOptions)[];
const OVERRIDE_KEYS = ['pattern', 'bits', 'scheme', 'groupSize', 'method'] as const;

const DEFAULT_LAYERS: readonly LayerKind[] = [
  'linear',
  'conv1d',
  'conv2d',
  'conv3d',
  'lstm',
  'gru',
  'rnn',
  'experts',
  'conv-transpose',
];
const DEFAULT_GROUP_SIZE: GroupSize = 128;
const DEFAULT_MIN_ELEMENTS = 512;

type Given = Readonly<Record<string, unknown>>;

/** `given` has been checked to have no keys but PLAN_KEYS, OPEN_KEYS and those of others. */
export function configurationOf(given: Given): Configuration {
  const bits = checkChoice(given.bits, 'bits', BITS) ?? 8;
  const mode = modeOf(given, bits);
  const grouping = groupingOf(given, bits, mode);
  const overrides = checkList(given.overrides, 'overrides', checkOverride) ?? [];
  for (const override of overrides) checkOverrideFits(override, bits, mode);
  const scheme = checkChoice(given.scheme, 'scheme', SCHEMES);
  if (bits === 16 && scheme !== undefined) throw hasNoSixteenBitMeaning('scheme');
  const method = checkChoice(given.method, 'method', METHODS);
  if (bits === 16 && method !== undefined) throw hasNoSixteenBitMeaning('method');
  return {
    ...openingOf(given),
    dequantize: checkChoice(given.dequantize, 'dequantize', DEQUANTIZED_TYPES) ?? null,
    container: checkChoice(given.container, 'container', CONTAINERS) ?? 'safetensors',
    duplicateTies: checkBoolean(given.duplicateTies, 'duplicateTies') ?? false,
    bits,
    mode,
    scheme: scheme ?? 'symmetric',
    ...grouping,
    method: method ?? (bits === 4 ? 'mse' : 'rtn'),
    floatType: floatTypeOf(given, bits, overrides),
    format: checkChoice(given.format, 'format', OUTPUT_FORMATS) ?? 'compressed-tensors',
    layers: layersOf(given),
    ignore: checkList(given.ignore, 'ignore', checkText) ?? [],
    defaultIgnore: checkBoolean(given.defaultIgnore, 'defaultIgnore') ?? true,
    overrides: overrides.map((override) => withMethod(override, method)),
    minElements: checkWholeNumber(given.minElements, 'minElements', 0) ?? DEFAULT_MIN_ELEMENTS,
  };
}

/** What `convert` and `dequantize` do: no value changes. */
export function copyingConfiguration(given: Given): Configuration {
  return { ...configurationOf(given), bits: 'none' };
}

export function openingOf(given: Given): Pick<Configuration, 'key' | 'stripPrefix'> {
  return {
    key: checkString(given.key, 'key') ?? null,
    stripPrefix: checkString(given.stripPrefix, 'stripPrefix') ?? '',
  };
}

function modeOf(given: Given, bits: Bits): Mode {
  const dynamic = checkBoolean(given.dynamic, 'dynamic');
  const weightsOnly = checkBoolean(given.weightsOnly, 'weightsOnly');
  if (dynamic === true && weightsOnly === true) {
    throw contradiction(
      'dynamic quantizes activations and weightsOnly leaves them alone: they exclude each other.',
      'Give one of the two.',
    );
  }
  if (bits !== 8) {
    if (dynamic === true || weightsOnly === false) {
      throw contradiction(
        `Activations are quantized with 8 bits only, so bits: ${bits} is always weights-only.`,
        `Leave out ${dynamic === true ? 'dynamic' : 'weightsOnly'}, or take bits: 8.`,
      );
    }
    return 'weights-only';
  }
  if (dynamic === false && weightsOnly === false) {
    throw contradiction(
      'With dynamic and weightsOnly both false, nothing says how activations are treated.',
      'Leave out one of the two.',
    );
  }
  return weightsOnly === true || dynamic === false ? 'weights-only' : 'dynamic';
}

function groupingOf(
  given: Given,
  bits: Bits,
  mode: Mode,
): Pick<Configuration, 'strategy' | 'groupSize'> {
  const strategy = checkChoice(given.strategy, 'strategy', STRATEGIES);
  const groupSize = checkChoice(given.groupSize, 'groupSize', GROUP_SIZES);
  if (bits === 16) {
    if (strategy !== undefined) throw hasNoSixteenBitMeaning('strategy');
    if (groupSize !== undefined) throw hasNoSixteenBitMeaning('groupSize');
    return { strategy: 'channel', groupSize: -1 };
  }
  if (strategy === 'tensor') {
    if (bits === 4) {
      throw contradiction(
        'One scale for a whole tensor is too coarse for 4 bits.',
        'Take strategy "group" or "channel".',
      );
    }
    if (groupSize !== undefined) {
      throw contradiction(
        `strategy "tensor" has one scale, so groupSize: ${groupSize} has no meaning.`,
        'Leave out groupSize, or take strategy "group".',
      );
    }
    return { strategy, groupSize: -1 };
  }
  if (strategy === 'channel' && groupSize !== undefined && groupSize !== -1) {
    throw contradiction(
      `strategy "channel" contradicts groupSize: ${groupSize}.`,
      'Leave out one of the two; groupSize -1 is one scale per channel.',
    );
  }
  if (strategy === 'group' && groupSize === -1) {
    throw contradiction(
      'strategy "group" contradicts groupSize: -1, which is one scale per channel.',
      'Leave out one of the two.',
    );
  }
  const byDefault = strategy === 'group' || (strategy === undefined && bits === 4);
  const size = groupSize ?? (byDefault ? DEFAULT_GROUP_SIZE : -1);
  if (size === -1) return { strategy: 'channel', groupSize: -1 };
  if (bits === 8 && mode === 'dynamic') throw needsWeightsOnly(size);
  return { strategy: 'group', groupSize: size };
}

function floatTypeOf(given: Given, bits: Bits, overrides: readonly LayerOverride[]): FloatType {
  const floatType = checkChoice(given.floatType, 'floatType', FLOAT_TYPES);
  const isUsed = bits === 16 || overrides.some((override) => override.bits === 16);
  if (floatType !== undefined && !isUsed) {
    throw contradiction(
      `floatType is what 16 bits write, but bits is ${bits}.`,
      'Leave out floatType, or take bits: 16.',
    );
  }
  return floatType ?? 'F16';
}

function layersOf(given: Given): readonly LayerKind[] {
  const layers = checkList(given.layers, 'layers', (element, key) =>
    checkChoice(element, key, LAYER_KINDS),
  );
  if (layers?.length === 0) throw unexpected('at least one layer kind', 'layers', layers);
  return layers === undefined ? DEFAULT_LAYERS : [...new Set(layers)];
}

function checkOverride(element: unknown, key: string): LayerOverride {
  const given = checkObject(element, key, OVERRIDE_KEYS);
  const pattern = checkText(given.pattern, `${key}.pattern`);
  if (pattern === undefined) throw unexpected('a pattern', `${key}.pattern`, undefined);
  const bits = checkChoice(given.bits, `${key}.bits`, [...BITS, 'none'] as const);
  const scheme = checkChoice(given.scheme, `${key}.scheme`, SCHEMES);
  const groupSize = checkChoice(given.groupSize, `${key}.groupSize`, GROUP_SIZES);
  const method = checkChoice(given.method, `${key}.method`, METHODS);
  return {
    pattern,
    ...(bits === undefined ? {} : { bits }),
    ...(scheme === undefined ? {} : { scheme }),
    ...(groupSize === undefined ? {} : { groupSize }),
    ...(method === undefined ? {} : { method }),
  };
}

function checkOverrideFits(override: LayerOverride, bits: Bits, mode: Mode): void {
  const { pattern, groupSize } = override;
  const choices = (['scheme', 'groupSize', 'method'] as const).filter((key) => key in override);
  if (override.bits === undefined && choices.length === 0) {
    throw contradiction(
      `The override of "${pattern}" changes nothing.`,
      'Give it bits, scheme, groupSize or method.',
    );
  }
  const isFloat = override.bits === 16 || override.bits === 'none';
  if (isFloat && choices[0] !== undefined) {
    throw contradiction(
      `The override of "${pattern}" has bits: ${override.bits}, which has no scheme, groups or method.`,
      `Leave out ${choices[0]}.`,
    );
  }
  const isDynamic = mode === 'dynamic' && (override.bits ?? bits) === 8;
  if (isDynamic && groupSize !== undefined && groupSize !== -1) throw needsWeightsOnly(groupSize);
}

/** Other bits bring their own default, unless the caller has chosen a method for all. */
function withMethod(override: LayerOverride, method: Method | undefined): LayerOverride {
  const hasScales = override.bits === 4 || override.bits === 8;
  return method === undefined || !hasScales ? override : { method, ...override };
}

function hasNoSixteenBitMeaning(key: string): Error {
  return contradiction(
    `${key} has no meaning with bits: 16, which stores floats without scales.`,
    `Leave out ${key}, or take bits: 8 or bits: 4.`,
  );
}

function needsWeightsOnly(groupSize: GroupSize): Error {
  return contradiction(
    `Groups of 8-bit weights (here of ${groupSize}) are possible only where activations are not quantized.`,
    'Add weightsOnly: true, or take one scale per channel.',
  );
}
