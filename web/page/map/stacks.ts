/**
 * Where the layers of a model are in the names of its tensors: `model.layers.18.mlp.down_proj.weight` is in layer 18
 * of `model.layers`, and its role there is `mlp.down_proj.weight`.
 * It exists because names are all that a checkpoint says of the model's shape.
 * A guess, and only for pictures: whatever repeats under numbers counts as layers.
 */

/** What the picture has to know of a tensor. */
export interface Sized {
  readonly name: string;
  readonly bytes: number;
}

export interface Role {
  /** Behind the layer's number, with `*` for further numbers. */
  readonly name: string;
  /** By layer, as indices into the tensors; several if they differ in further numbers, as experts do. */
  readonly layers: ReadonlyMap<number, readonly number[]>;
  readonly bytes: number;
}

export interface Stack {
  /** `model.layers` */
  readonly name: string;
  /** Their numbers, in order. */
  readonly layers: readonly number[];
  /** In the order of the file. */
  readonly roles: readonly Role[];
  readonly bytes: number;
}

export interface Stacks {
  readonly stacks: readonly Stack[];
  /** Indices of tensors that are in no layer. */
  readonly others: readonly number[];
}

/** A number between dots, with something behind it. */
const LAYER = /^((?:[^.]+\.)*?)(\d+)\.(.+)$/;
/** Less of the model than this is no stack of its own. */
const LEAST_SHARE = 0.08;
/** Less of the model in layers is no model of layers. */
const LEAST_IN_LAYERS = 0.4;

/** Several views ask for those of the same model. */
const known = new WeakMap<readonly Sized[], Stacks>();

export function stacksOf(tensors: readonly Sized[]): Stacks {
  const stacks = known.get(tensors) ?? foundIn(tensors);
  known.set(tensors, stacks);
  return stacks;
}

function foundIn(tensors: readonly Sized[]): Stacks {
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  const found = new Map<string, Found>();
  const others: number[] = [];
  const nameOf = roleNames();
  let before = 'no name begins like that';
  for (const [index, { name, bytes }] of tensors.entries()) {
    // Nearly all names begin as the one before.
    const begin = name.startsWith(before) ? before.length : 0;
    const end = begin === 0 ? -1 : name.indexOf('.', begin);
    if (end > 0 && end + 1 < name.length && isNumber(name, begin, end)) {
      const layer = Number(name.slice(begin, end));
      addTo(found, before, layer, nameOf(name.slice(end + 1)), index, bytes);
      continue;
    }
    const [, prefix, number, rest] = LAYER.exec(name) ?? [];
    if (prefix === undefined || number === undefined || rest === undefined) others.push(index);
    else {
      addTo(found, prefix, Number(number), nameOf(rest), index, bytes);
      if (prefix !== '') before = prefix;
    }
  }
  const kept = [...found].filter(
    ([, { layers, bytes, roles }]) =>
      layers.size > 1 && bytes >= LEAST_SHARE * total && roles.size < 4 * layers.size + 64,
  );
  const inLayers = kept.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  if (inLayers < LEAST_IN_LAYERS * total) {
    return { stacks: [], others: [...tensors.keys()] };
  }
  const isKept = new Set(kept.map(([prefix]) => prefix));
  for (const [prefix, { roles }] of found) {
    if (isKept.has(prefix)) continue;
    for (const { layers } of roles.values())
      for (const each of layers.values()) others.push(...each);
  }
  const stacks = kept.map(([prefix, { layers, roles, bytes }]) => ({
    name: prefix.replace(/\.$/, ''),
    layers: [...layers].sort((a, b) => a - b),
    roles: [...roles.values()],
    bytes,
  }));
  return { stacks, others: others.sort((a, b) => a - b) };
}

function isNumber(text: string, begin: number, end: number): boolean {
  for (let at = begin; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return false;
  }
  return begin < end;
}

interface Found {
  readonly layers: Set<number>;
  readonly roles: Map<string, { name: string; layers: Map<number, number[]>; bytes: number }>;
  bytes: number;
}

function addTo(
  found: Map<string, Found>,
  prefix: string,
  layer: number,
  name: string,
  index: number,
  bytes: number,
): void {
  let stack = found.get(prefix);
  if (stack === undefined) {
    stack = { layers: new Set(), roles: new Map(), bytes: 0 };
    found.set(prefix, stack);
  }
  let role = stack.roles.get(name);
  if (role === undefined) {
    role = { name, layers: new Map(), bytes: 0 };
    stack.roles.set(name, role);
  }
  const cell = role.layers.get(layer);
  if (cell === undefined) role.layers.set(layer, [index]);
  else cell.push(index);
  stack.layers.add(layer);
  stack.bytes += bytes;
  role.bytes += bytes;
}

/** With numbers left open. All layers have the same names, so each is looked at once. */
function roleNames(): (rest: string) => string {
  const seen = new Map<string, string>();
  return (rest) => {
    let name = seen.get(rest);
    if (name === undefined) {
      name = rest.replace(/(^|\.)\d+(?=\.|$)/g, '$1*');
      seen.set(rest, name);
    }
    return name;
  };
}

/** `18 · mlp.down_proj` of `model.layers.18.mlp.down_proj.weight`: enough for somebody who knows the model. */
export function briefName(name: string): string {
  const [, , number, rest = name] = LAYER.exec(name) ?? [];
  const role = rest.replace(/\.weight$/, '');
  return number === undefined ? role : `${number} · ${role}`;
}

/** `q_proj` of `self_attn.q_proj.weight`: as little as tells it from the others. */
export function shortRoles(names: readonly string[]): readonly string[] {
  const parts = names.map((name) => name.replace(/\.weight$/, '').split('.'));
  return parts.map((own, index) => {
    for (let count = 1; count < own.length; count++) {
      const tail = own.slice(-count).join('.');
      const isAlone = parts.every(
        (other, at) => at === index || other.slice(-count).join('.') !== tail,
      );
      if (isAlone && tail !== '*') return tail;
    }
    return own.join('.');
  });
}
