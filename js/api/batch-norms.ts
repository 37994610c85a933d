/**
 * BatchNorm layers that follow a convolution or a linear layer, found by names, shapes and classes.
 * It exists because a checkpoint does not say what is computed in which order: a pair counts only if its names are those
 * of a convention that fixes it, and nothing in the file speaks against that.
 */
import type { Catalog, TensorInfo } from './catalog.js';

/** Indices of tensors in the catalog. */
export interface BatchNormPair {
  readonly norm: string;
  readonly layer: string;
  readonly weight: number;
  readonly bias: number | undefined;
  readonly gamma: number;
  readonly beta: number;
  readonly mean: number;
  readonly variance: number;
  readonly count: number | undefined;
  /** The weight is [inputs, outputs / groups, …]. */
  readonly isTransposed: boolean;
}

export interface BatchNorms {
  readonly pairs: readonly BatchNormPair[];
  /** BatchNorm layers that stay, each with the reason as a sentence without an end. */
  readonly left: readonly { readonly norm: string; readonly reason: string }[];
}

interface Numbered {
  readonly tensor: TensorInfo;
  readonly index: number;
}

/** The tensors of a module by the last part of their names. */
type Module = ReadonlyMap<string, Numbered>;

const FLOATS = ['F32', 'F16', 'BF16'];
const LAYERS = ['linear', 'conv1d', 'conv2d', 'conv3d', 'conv-transpose', 'head'];
/** Formats whose tensors come in the order in which the model has its layers. */
const IN_ORDER = ['torch-zip', 'torch-legacy', 'torch-tar', 'torchscript'];

/** Blocks that number their BatchNorms in the order in which they run, and call their convolutions by what they do. */
const BLOCKS: readonly (readonly string[])[] = [
  ['conv_pw', 'conv_dw', 'conv_pwl'],
  ['conv_exp', 'conv_pwl'],
  ['conv_dw', 'conv_pw'],
];
/** Around them, far apart. */
const ENDS = ['conv_stem', 'conv_head'];

export function findBatchNorms(catalog: Catalog): BatchNorms {
  const modules = modulesOf(catalog);
  const norms = [...modules].flatMap(([name, module]) =>
    module.has('running_mean') && module.has('running_var') ? [name] : [],
  );
  const found = norms.map((norm) => lookAt(norm, modules, catalog));
  const refusedRules = rulesWithExceptions(found, modules);
  const users = new Map<string, number>();
  for (const { layer } of found) if (layer) users.set(layer, (users.get(layer) ?? 0) + 1);
  const pairs: BatchNormPair[] = [];
  const left: { norm: string; reason: string }[] = [];
  for (const { norm, rule, layer, pair, reason } of found) {
    const why =
      reason ??
      (layer !== undefined && (users.get(layer) ?? 0) > 1
        ? `${layer} would belong to several`
        : rule !== undefined && refusedRules.has(rule)
          ? `other layers of the file that are called alike do not fit together, as where a BatchNorm comes before its convolution`
          : undefined);
    if (why === undefined && pair !== undefined) pairs.push(pair);
    else left.push({ norm, reason: why ?? 'nothing says which layer is before it' });
  }
  return { pairs, left };
}

interface Look {
  readonly norm: string;
  /** The convention of names that says which layer is before it. */
  readonly rule?: Rule;
  readonly layer?: string;
  readonly pair?: BatchNormPair;
  readonly reason?: string;
  /** It has another number of channels than the layer that its name speaks of. */
  readonly isMisfit?: true;
}

type Rule = 'numbered' | 'sequential' | 'block' | 'named';

function lookAt(norm: string, modules: ReadonlyMap<string, Module>, catalog: Catalog): Look {
  const own = modules.get(norm) ?? new Map<string, Numbered>();
  const parts = ['weight', 'bias', 'running_mean', 'running_var'].map((part) => own.get(part));
  const [gamma, beta, mean, variance] = parts;
  if (!gamma || !beta || !mean || !variance) return { norm, reason: 'it has no weight and bias' };
  const channels = gamma.tensor.shape[0] ?? 0;
  const isPlain = [gamma, beta, mean, variance].every(
    ({ tensor }) =>
      tensor.shape.length === 1 &&
      tensor.shape[0] === channels &&
      tensor.dtype === gamma.tensor.dtype &&
      isOwnFloat(tensor, catalog),
  );
  if (!isPlain || channels === 0) return { norm, reason: 'its numbers are no plain floats' };
  const before = layerBefore(norm, modules);
  if (before === undefined) return { norm, reason: 'nothing says which layer is before it' };
  const { layer, rule } = before;
  const look = { norm, layer, rule } as const;
  const module = modules.get(layer);
  const weight = module?.get('weight');
  const bias = module?.get('bias');
  if (weight === undefined) return { norm, reason: 'nothing says which layer is before it' };
  if (!LAYERS.includes(weight.tensor.kind) || weight.tensor.shape.length < 2) {
    return { ...look, reason: `${layer} is no convolution or linear layer` };
  }
  if (!classesAgree(gamma.tensor, weight.tensor)) {
    return { ...look, reason: `${layer} and it are of classes that are not known` };
  }
  const [first = 0, second = 0] = weight.tensor.shape;
  const isTransposed =
    weight.tensor.kind === 'conv-transpose' ||
    (weight.tensor.moduleType === undefined && /deconv|transpose/i.test(layer));
  const fits = isTransposed
    ? second > 0 && channels % second === 0 && first % (channels / second) === 0
    : first === channels;
  if (!fits) {
    const reason = `it has ${channels} channels, and ${layer} is ${weight.tensor.shape.join('x')}`;
    return { ...look, reason, isMisfit: true };
  }
  if (!isOwnFloat(weight.tensor, catalog) || (bias && !isOwnFloat(bias.tensor, catalog))) {
    return { ...look, reason: `the weights of ${layer} are shared or no plain floats` };
  }
  if (bias && (bias.tensor.shape.length !== 1 || bias.tensor.shape[0] !== channels)) {
    return { ...look, reason: `the bias of ${layer} has another shape` };
  }
  if (IN_ORDER.includes(catalog.format) && weight.index > gamma.index) {
    return { ...look, reason: `${layer} comes behind it in the file`, isMisfit: true };
  }
  const pair = {
    norm,
    layer,
    weight: weight.index,
    bias: bias?.index,
    gamma: gamma.index,
    beta: beta.index,
    mean: mean.index,
    variance: variance.index,
    count: own.get('num_batches_tracked')?.index,
    isTransposed,
  };
  return { ...look, pair };
}

/** Which layer the name of a BatchNorm says is before it; names such as `norm1` are also given to those that come first. */
function layerBefore(
  norm: string,
  modules: ReadonlyMap<string, Module>,
): { readonly layer: string; readonly rule: Rule } | undefined {
  const [, parent = '', leaf = ''] = /^(.*?)([^.]*)$/.exec(norm) ?? [];
  const has = (name: string) => modules.get(`${parent}${name}`)?.has('weight') === true;
  const named = (name: string, rule: Rule) =>
    has(name) ? { layer: `${parent}${name}`, rule } : undefined;
  if (/^\d+$/.test(leaf)) return named(`${Number(leaf) - 1}`, 'sequential');
  if (leaf === 'normalization') return named('convolution', 'named');
  const number = /^bn(\d*)$/.exec(leaf)?.[1];
  if (number === undefined) return undefined;
  const block = has('conv_stem') ? ENDS : BLOCKS.find((names) => names.every(has));
  if (block !== undefined) {
    const name = block[Number(number) - 1];
    return name === undefined ? undefined : named(name, 'block');
  }
  return named(`conv${number}`, number === '' ? 'named' : 'numbered');
}

/**
 * Conventions that do not hold in this file. Where a BatchNorm comes before the convolution of its number, some block
 * changes the number of channels and shows it, or the first convolution has no BatchNorm at all.
 */
function rulesWithExceptions(
  looks: readonly Look[],
  modules: ReadonlyMap<string, Module>,
): ReadonlySet<Rule> {
  const refused = new Set(looks.flatMap(({ isMisfit, rule }) => (isMisfit && rule ? [rule] : [])));
  const isNumbered = looks.some(({ rule }) => rule === 'numbered');
  const stems = [...modules.keys()].filter((name) => /(^|\.)conv1$/.test(name));
  const outermost = Math.min(...stems.map(depth));
  const isBare = (stem: string) =>
    depth(stem) === outermost && !modules.has(stem.replace(/conv1$/, 'bn1'));
  if (isNumbered && stems.some(isBare)) refused.add('numbered');
  return refused;
}

function depth(name: string): number {
  return name.split('.').length;
}

/** Where the file names classes, they must be those of torch.nn, or say what they are. */
function classesAgree(norm: TensorInfo, layer: TensorInfo): boolean {
  const isNorm = norm.moduleType === undefined || /BatchNorm/.test(norm.moduleType);
  const isLayer =
    layer.moduleType === undefined ||
    /^torch\.nn\.modules\.(conv|linear)\.(Conv(Transpose)?[123]d|Linear)$/.test(layer.moduleType);
  return isNorm && isLayer;
}

function isOwnFloat(tensor: TensorInfo, catalog: Catalog): boolean {
  const isShared =
    tensor.tiedTo !== undefined || catalog.tensors.some(({ tiedTo }) => tiedTo === tensor.name);
  return FLOATS.includes(tensor.dtype) && tensor.quantization === undefined && !isShared;
}

function modulesOf({ tensors }: Catalog): ReadonlyMap<string, Module> {
  const modules = new Map<string, Map<string, Numbered>>();
  tensors.forEach((tensor, index) => {
    const at = tensor.name.lastIndexOf('.');
    if (at < 0) return;
    const name = tensor.name.slice(0, at);
    const module = modules.get(name) ?? new Map<string, Numbered>();
    module.set(tensor.name.slice(at + 1), { tensor, index });
    modules.set(name, module);
  });
  return modules;
}
