/**
 * From the choices of a caller to a complete Configuration: defaults and contradictions.
 * It exists so that what goes with what is decided in one place, before any file is opened.
 * A Configuration that leaves this file is valid and has every choice spelled out.
 */
import { nameOfInput } from './calibration.js';
import { contradiction } from './check.js';
import { type AnyBits, modeOf } from './mode.js';
import { type Choices, checkChoices } from './option-checks.js';
import type {
  Bits,
  Configuration,
  FloatType,
  GroupSize,
  LayerKind,
  LayerOverride,
  Method,
  Mode,
} from './types.js';

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
const DEFAULT_BITS: Bits = 8;
const DEFAULT_GROUP_SIZE: GroupSize = 128;
const DEFAULT_MIN_ELEMENTS = 512;
const DEFAULT_PERCENTILE = 99.99;

/** What a Configuration says about inputs where no scales of them are stored. */
const NO_INPUTS = {
  observer: 'auto',
  percentile: DEFAULT_PERCENTILE,
  inputScheme: 'symmetric',
} as const;

/** Whose default depends on the bits: a Configuration holds them even where they mean nothing. */
const FOLLOWING_BITS = ['mode', 'scheme', 'strategy', 'groupSize', 'method', 'floatType'] as const;

type Given = Readonly<Record<string, unknown>>;

/** `given` has been checked to have no keys but those of the choices and of others. */
export function configurationOf(given: Given): Configuration {
  return completed(ownChoices(checkChoices(given)));
}

/** What `convert` and `dequantize` do: no value changes. */
export function copyingConfiguration(given: Given): Configuration {
  return configurationOf({ ...given, bits: 'none' });
}

export function openingOf(given: Given): Pick<Configuration, 'key' | 'stripPrefix'> {
  const { key, stripPrefix } = checkChoices(given);
  return { key: key ?? null, stripPrefix: stripPrefix ?? '' };
}

/**
 * A Configuration, as a report holds it, without what it would have had anyway; other choices as they are.
 * What is left are choices that somebody made, so that they can be told from what only spells them out.
 */
export function ownChoices(choices: Choices): Choices {
  const isConfiguration = ['bits', ...FOLLOWING_BITS].every((key) => key in choices);
  if (!isConfiguration) return choices;
  const { bits = DEFAULT_BITS, calibration = [] } = choices;
  const defaults = completed({ bits, ...(bits === 4 || bits === 8 ? { calibration } : {}) });
  const isDefault = (key: string) =>
    FOLLOWING_BITS.some((name) => name === key && choices[name] === defaults[name]);
  return Object.fromEntries(Object.entries(choices).filter(([key]) => !isDefault(key)));
}

function completed(choices: Choices): Configuration {
  const { bits = DEFAULT_BITS, overrides = [], scheme, method } = choices;
  const mode = modeOf(choices, bits);
  if (!hasScales(bits)) refuseScales(choices, bits);
  if (bits !== 'none' && choices.dequantize != null) throw dequantizesAndQuantizes(bits);
  for (const override of overrides) checkOverrideFits(override);
  return {
    key: choices.key ?? null,
    stripPrefix: choices.stripPrefix ?? '',
    dequantize: choices.dequantize ?? null,
    container: choices.container ?? 'safetensors',
    duplicateTies: choices.duplicateTies ?? false,
    bits,
    mode,
    ...inputsOf(choices, mode),
    scheme: scheme ?? 'symmetric',
    ...groupingOf(choices, bits, mode),
    method: method ?? (bits === 4 ? 'mse' : 'rtn'),
    floatType: floatTypeOf(choices, bits, overrides),
    format: choices.format ?? 'compressed-tensors',
    layers: choices.layers === undefined ? DEFAULT_LAYERS : [...new Set(choices.layers)],
    ignore: choices.ignore ?? [],
    defaultIgnore: choices.defaultIgnore ?? true,
    overrides: overrides.map((override) => withMethod(override, method)),
    minElements: choices.minElements ?? DEFAULT_MIN_ELEMENTS,
  };
}

function hasScales(bits: AnyBits): bits is 4 | 8 {
  return bits === 4 || bits === 8;
}

function refuseScales(choices: Choices, bits: 16 | 'none'): void {
  const [key] = (['scheme', 'strategy', 'groupSize', 'method'] as const).filter(
    (name) => choices[name] !== undefined,
  );
  const what = bits === 16 ? 'stores floats without scales' : 'copies every tensor';
  if (key !== undefined) {
    throw contradiction(
      `${key} has no meaning with bits: ${bits}, which ${what}.`,
      `Leave out ${key}, or take bits: 8 or bits: 4.`,
    );
  }
  if (choices.calibration?.length) {
    throw contradiction(
      `calibration has no meaning with bits: ${bits}, which ${what}.`,
      'Leave out calibration, or take bits: 8 or bits: 4.',
    );
  }
  if (bits === 'none' && choices.overrides?.length) {
    throw contradiction(
      'overrides have no meaning with bits: none, which copies every tensor.',
      'Leave out overrides, or take bits: 8 or bits: 4.',
    );
  }
}

function inputsOf(
  { calibration = [], observer, percentile, inputScheme }: Choices,
  mode: Mode,
): Pick<Configuration, 'calibration' | 'observer' | 'percentile' | 'inputScheme'> {
  const inputs = {
    observer: observer ?? NO_INPUTS.observer,
    percentile: percentile ?? NO_INPUTS.percentile,
    inputScheme: inputScheme ?? NO_INPUTS.inputScheme,
  };
  const key = (['observer', 'percentile', 'inputScheme'] as const).find(
    (name) => inputs[name] !== NO_INPUTS[name],
  );
  if (key !== undefined && mode !== 'static') {
    throw contradiction(
      `${key} is about stored scales of activations, but the mode is ${mode}.`,
      `Leave out ${key}, or take mode "static" with a calibration.`,
    );
  }
  const usesPercentile = inputs.observer === 'auto' || inputs.observer === 'percentile';
  if (inputs.percentile !== NO_INPUTS.percentile && !usesPercentile) {
    throw contradiction(
      `percentile has no meaning with observer "${inputs.observer}".`,
      'Leave out percentile, or take observer "percentile".',
    );
  }
  const names = calibration.map(nameOfInput).filter((name) => name !== undefined);
  return { calibration: names, ...inputs };
}

function groupingOf(
  { strategy, groupSize }: Choices,
  bits: AnyBits,
  mode: Mode,
): Pick<Configuration, 'strategy' | 'groupSize'> {
  if (!hasScales(bits)) return { strategy: 'channel', groupSize: -1 };
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
  if (bits === 8 && mode !== 'weights-only') {
    throw contradiction(
      `Groups of 8-bit weights (here of ${size}) are possible only where activations are not quantized.`,
      'Add weightsOnly: true, or take one scale per channel.',
    );
  }
  return { strategy: 'group', groupSize: size };
}

function floatTypeOf(
  { floatType }: Choices,
  bits: AnyBits,
  overrides: readonly LayerOverride[],
): FloatType {
  const isUsed = bits === 16 || overrides.some((override) => override.bits === 16);
  if (floatType !== undefined && !isUsed) {
    throw contradiction(
      `floatType is what 16 bits write, but bits is ${bits}.`,
      'Leave out floatType, or take bits: 16.',
    );
  }
  return floatType ?? 'F16';
}

/** Groups fit beside any mode: a layer that has them is packed, and its activations are left alone. */
function checkOverrideFits(override: LayerOverride): void {
  const { pattern } = override;
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
}

/** Other bits bring their own default, unless the caller has chosen a method for all. */
function withMethod(override: LayerOverride, method: Method | undefined): LayerOverride {
  const { bits = 'none' } = override;
  return method === undefined || !hasScales(bits) ? override : { method, ...override };
}

function dequantizesAndQuantizes(bits: Bits): Error {
  return contradiction(
    `dequantize writes codes as floats, but bits is ${bits}.`,
    'Leave out dequantize, or dequantize first and quantize what comes out.',
  );
}
