/**
 * Layers that can trade magnitudes with what is before them, found by the model's kind, names and shapes.
 * It exists because the other side has to divide: a pair counts only if nobody else reads what is divided.
 */
import type { Catalog, TensorInfo } from './catalog.js';
import type { ModelClass } from './model-config.js';
import { FAMILIES, type Family, type LayerPair, REFUSED } from './rescale-families.js';

/** Indices of tensors in the catalog. */
export interface RescalePair {
  /** The norm or layer whose outputs are divided. */
  readonly name: string;
  readonly producer: number;
  readonly bias: number | undefined;
  /** Of its rows that are divided. */
  readonly firstRow: number;
  /** The weights whose columns are multiplied. */
  readonly balances: readonly number[];
  /** Columns of a head, and how many heads of the balance read one of the producer. */
  readonly head: number;
  readonly repeats: number;
}

export interface Rescalings {
  readonly pairs: readonly RescalePair[];
  /** What stays as it is, each with the reason as a sentence without an end. */
  readonly left: readonly { readonly name: string; readonly reason: string }[];
}

interface Numbered {
  readonly tensor: TensorInfo;
  readonly index: number;
}

interface Block {
  readonly prefix: string;
  readonly tensors: ReadonlyMap<string, Numbered>;
}

const FLOATS = ['F32', 'F16', 'BF16'];
const IN_BLOCK = /^((?:.*\.)?(?:layers?|h|blocks?)\.\d+\.)(.+)$/;

class Unfit {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

export function findRescalings(catalog: Catalog, model: ModelClass | undefined): Rescalings {
  const refused = refusal(catalog, model);
  if (refused !== undefined) return { pairs: [], left: [{ name: 'the model', reason: refused }] };
  const shared = new Set(
    catalog.tensors.flatMap(({ tiedTo, name }) => (tiedTo ? [tiedTo, name] : [])),
  );
  const pairs: RescalePair[] = [];
  const left: { name: string; reason: string }[] = [];
  for (const block of blocksOf(catalog)) {
    const family = FAMILIES.find((one) => isOf(one, model?.modelType ?? '', block));
    if (family === undefined) continue;
    const add = (name: string, found: RescalePair | Unfit) => {
      if (found instanceof Unfit)
        left.push({ name: `${block.prefix}${name}`, reason: found.reason });
      else pairs.push(found);
    };
    const stranger = strangerIn(block, family);
    for (const [norm, readers] of Object.entries(family.norms ?? {})) {
      add(norm, stranger ?? checked(normPair(block, norm, readers), catalog, shared));
    }
    for (const pair of family.layers ?? []) {
      if (pair.activation !== undefined && pair.activation !== model?.activation) continue;
      const has = [pair.from, pair.to].every((name) => block.tensors.has(`${name}.weight`));
      if (has) add(pair.from, checked(layerPair(block, pair, model), catalog, shared));
    }
  }
  if (pairs.length + left.length === 0) {
    const reason = 'none of its names are those of such a model';
    return { pairs, left: [{ name: 'the model', reason }] };
  }
  return { pairs, left };
}

/** Why nothing of the model is rescaled. */
function refusal(catalog: Catalog, model: ModelClass | undefined): string | undefined {
  const type = model?.modelType ?? '';
  if (type === '') return 'no config.json beside it says what kind of model it is';
  if (REFUSED[type] !== undefined) return REFUSED[type];
  if (!FAMILIES.some(({ types }) => types.includes(type))) {
    return `it is not known how models of the type ${type} compute`;
  }
  // The one of its kind whose norms are behind its layers.
  const isTurned = type === 'opt' && catalog.tensors.some(({ name }) => /project_in/.test(name));
  return isTurned ? 'its norms come behind its layers' : undefined;
}

function blocksOf({ tensors }: Catalog): readonly Block[] {
  const blocks = new Map<string, Map<string, Numbered>>();
  tensors.forEach((tensor, index) => {
    const [, prefix, name] = IN_BLOCK.exec(tensor.name) ?? [];
    if (prefix === undefined || name === undefined) return;
    const block = blocks.get(prefix) ?? new Map<string, Numbered>();
    block.set(name, { tensor, index });
    blocks.set(prefix, block);
  });
  return [...blocks].map(([prefix, of]) => ({ prefix, tensors: of }));
}

function isOf({ types, norms = {} }: Family, type: string, { tensors }: Block): boolean {
  return types.includes(type) && Object.keys(norms).every((norm) => tensors.has(`${norm}.weight`));
}

/** A matrix that may read what a norm computes, though nothing says so. */
function strangerIn({ prefix, tensors }: Block, family: Family): Unfit | undefined {
  const known = new Set([...Object.values(family.norms ?? {}).flat(), ...(family.others ?? [])]);
  const widths = new Set(
    Object.keys(family.norms ?? {}).map((norm) => tensors.get(`${norm}.weight`)?.tensor.shape[0]),
  );
  for (const [name, { tensor }] of tensors) {
    const isMatrix = tensor.shape.length > 1 && widths.has(tensor.shape[tensor.shape.length - 1]);
    if (isMatrix && !known.has(name.replace(/\.weight$/, ''))) {
      return new Unfit(`${prefix}${name} may read it as well`);
    }
  }
  return undefined;
}

function normPair(block: Block, norm: string, readers: readonly string[]): RescalePair | Unfit {
  const weight = block.tensors.get(`${norm}.weight`);
  const balances = readers.map((reader) => block.tensors.get(`${reader}.weight`));
  const missing = readers.find((_, i) => balances[i] === undefined);
  if (missing !== undefined) return new Unfit(`${block.prefix}${missing} is missing`);
  const width = weight?.tensor.shape[0];
  if (weight === undefined || weight.tensor.shape.length !== 1) return new Unfit('it is no norm');
  if (balances.some((balance) => balance?.tensor.shape[1] !== width)) {
    return new Unfit('the layers behind it have another width');
  }
  return {
    name: `${block.prefix}${norm}`,
    producer: weight.index,
    bias: block.tensors.get(`${norm}.bias`)?.index,
    firstRow: 0,
    balances: balances.flatMap((balance) => (balance === undefined ? [] : [balance.index])),
    head: 1,
    repeats: 1,
  };
}

function layerPair(
  block: Block,
  { from, to, rows, hasHeads }: LayerPair,
  model: ModelClass | undefined,
): RescalePair | Unfit {
  const before = block.tensors.get(`${from}.weight`);
  const after = block.tensors.get(`${to}.weight`);
  const all = before?.tensor.shape[0] ?? 0;
  const columns = after?.tensor.shape[1] ?? 0;
  if (before === undefined || after === undefined) return new Unfit('it is missing');
  const used = rows === 'values' ? (all - columns) / 2 : rows === 'half' ? all / 2 : all;
  const repeats = columns / used;
  if (!Number.isInteger(used) || used <= 0 || !Number.isInteger(repeats)) {
    return new Unfit(`its rows are no inputs of ${block.prefix}${to}`);
  }
  const head = repeats === 1 ? 1 : model?.headSize;
  if (repeats > 1 && (!hasHeads || head === undefined || used % head !== 0)) {
    return new Unfit('several heads of queries share one of values, and their size is not known');
  }
  return {
    name: `${block.prefix}${from}`,
    producer: before.index,
    bias: block.tensors.get(`${from}.bias`)?.index,
    firstRow: all - used,
    balances: [after.index],
    head: head ?? 1,
    repeats,
  };
}

/** Plain floats of its own alone. */
function checked(
  pair: RescalePair | Unfit,
  { tensors }: Catalog,
  shared: ReadonlySet<string>,
): RescalePair | Unfit {
  if (pair instanceof Unfit) return pair;
  const { producer, bias, balances } = pair;
  for (const index of [producer, ...(bias === undefined ? [] : [bias]), ...balances]) {
    const tensor = tensors[index];
    if (tensor === undefined || shared.has(tensor.name)) {
      return new Unfit(`${tensor?.name} is shared with others`);
    }
    if (!FLOATS.includes(tensor.dtype) || tensor.quantization !== undefined) {
      return new Unfit(`${tensor.name} holds no plain floats`);
    }
  }
  return pair;
}
