/**
 * The pattern language in which users name tensors, and its resolution against a file's names.
 * It exists here so that every host and the engine mean the same tensors by the same words.
 * A pattern that matches nothing is an error: a typing mistake must not quantize what was to be spared. Only what recipes
 * spare in every model, whether it has it or not, is a warning.
 */
import { MonoquantError } from './errors.js';
import { nearest } from './nearest.js';
import { RegularExpression } from './regular-expression.js';
import type { Configuration, LayerOverride } from './types.js';
import type { Warning } from './warning.js';

const REGEX_PREFIX = 're:';

/** A configuration's patterns as indices into the list of names, in ascending order. */
export interface ResolvedPatterns {
  readonly ignore: readonly number[];
  /** One for each override, in its order: where several match a tensor, the last to set a field wins. */
  readonly overrides: readonly (Omit<LayerOverride, 'pattern'> & {
    readonly tensors: readonly number[];
  })[];
}

export function resolvePatterns(
  configuration: Configuration,
  names: readonly string[],
): ResolvedPatterns {
  const ignore = configuration.ignore.flatMap((pattern) => match(pattern, names, IGNORE));
  const overrides = configuration.overrides.map(({ pattern, ...changes }) => ({
    ...changes,
    tensors: match(pattern, names, 'layer pattern'),
  }));
  return { ignore: [...new Set(ignore)].sort((a, b) => a - b), overrides };
}

const IGNORE = 'ignore pattern';

/** Modules that recipes spare: heads, embeddings, routers, what sees and hears. */
const SPARED_BY_RECIPES =
  /(^|[^a-z_])(lm_head|embed_out|embed_tokens|output_layer|wte|wpe|router|gate|shared_expert_gate|vision_tower|vision_model|visual|multi_modal_projector|mm_projector|audio_tower)(?![a-z_])/i;

/** About patterns of such parts that this model has not. */
export function patternWarnings(
  ignore: readonly string[],
  names: readonly string[],
): readonly Warning[] {
  return ignore
    .filter(
      (pattern) => SPARED_BY_RECIPES.test(pattern) && find(pattern, names, IGNORE).length === 0,
    )
    .map((pattern) => ({
      code: 'ignore-unmatched',
      message: `The ${IGNORE} "${pattern}" matches none of the ${names.length} tensors: the model has no such part of its own. If that is a surprise, look at the names.`,
      tensors: [],
      total: 0,
    }));
}

function find(pattern: string, names: readonly string[], role: string): number[] {
  const isMatch = compilePattern(pattern, role);
  return [...names.keys()].filter((index) => isMatch(names[index] ?? ''));
}

/** Indices of the names that it matches: at least one. `role`: what the pattern is for, as messages call it. */
export function matchNames(
  pattern: string,
  names: readonly string[],
  role: string,
): readonly number[] {
  return match(pattern, names, `${role} pattern`);
}

function match(pattern: string, names: readonly string[], role: string): number[] {
  const found = find(pattern, names, role);
  if (found.length > 0 || (role === IGNORE && SPARED_BY_RECIPES.test(pattern))) return found;
  const message = `The ${role} "${pattern}" matches none of the ${names.length} tensors.`;
  throw new MonoquantError('pattern-unmatched', message, { suggestion: proposal(pattern, names) });
}

function compilePattern(pattern: string, role: string): (name: string) => boolean {
  if (pattern.startsWith(REGEX_PREFIX)) {
    const expression = compileRegex(pattern, role);
    return (name) => {
      const module = moduleOf(name);
      return (
        expression.matchesStart(name) || (module !== undefined && expression.matchesStart(module))
      );
    };
  }
  if (!pattern.includes('*')) {
    return (name) => name === pattern || name.startsWith(`${pattern}.`);
  }
  return globOf(pattern);
}

/**
 * The whole of a name, or up to the end of one of its modules: the subtree of a module goes with it.
 * Part by part, each at the first place where it fits: another place could only leave less for the others.
 */
function globOf(pattern: string): (name: string) => boolean {
  const [first = '', ...others] = pattern.split(/\*+/);
  const last = others.pop() ?? '';
  return (name) => {
    if (!name.startsWith(first)) return false;
    let at = first.length;
    for (const part of others) {
      at = name.indexOf(part, at);
      if (at < 0) return false;
      at += part.length;
    }
    return name.slice(at).endsWith(last) || name.includes(`${last}.`, at);
  };
}

/** Regular expressions are taken as Python's re.match takes them: bound to the start, not to the end. */
function compileRegex(pattern: string, role: string): RegularExpression {
  const source = pattern.slice(REGEX_PREFIX.length);
  const pythonOnly = /(?<!\\)(?:\\\\)*(\\[AZ])/.exec(source)?.[1];
  if (pythonOnly !== undefined) {
    // JavaScript would silently read them as the letters A and Z.
    throw invalidRegex(pattern, role, `${pythonOnly} is not supported; write ^ or $`);
  }
  try {
    return RegularExpression.parse(source);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalidRegex(
      pattern,
      role,
      reason.replace(/^Invalid regular expression: (?:\/.*\/\w*: )?/s, ''),
    );
  }
}

function invalidRegex(pattern: string, role: string, reason: string): MonoquantError {
  return new MonoquantError(
    'invalid-options',
    `The ${role} "${pattern}" is not a regular expression: ${reason}.`,
    { suggestion: 'Without re: in front, * stands for any run of characters.' },
  );
}

/** `a.b` of `a.b.weight`. */
function moduleOf(name: string): string | undefined {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? undefined : name.slice(0, dot);
}

/** Nobody types longer names, and comparing them takes long. */
const LONGEST_PROPOSAL = 500;

/** Names the tensor or module that the pattern comes nearest to, by as many components as it has. */
function proposal(pattern: string, names: readonly string[]): string | undefined {
  const example = names[0] === undefined ? undefined : `Names look like "${names[0]}".`;
  if (pattern.length > LONGEST_PROPOSAL) return example;
  const literal = pattern
    .replace(REGEX_PREFIX, '')
    .replace(/\\(.)/g, '$1')
    .replace(/\.\*|[*^$()?+|[\]{}]/g, '')
    .replace(/^\.+|\.+$/g, '');
  if (literal === '') return example;
  const components = literal.split('.').length;
  // From the tail of a name to the first name with that tail: a model repeats few tails many times.
  const tails = new Map<string, string>();
  for (const name of names) {
    if (name.length > LONGEST_PROPOSAL) continue;
    for (let end = name.length; end > 0; end = name.lastIndexOf('.', end - 1)) {
      const whole = name.slice(0, end);
      const tail = whole.split('.').slice(-components).join('.');
      if (!tails.has(tail)) tails.set(tail, whole);
    }
  }
  const tail = nearest(literal, tails.keys());
  const whole = tail === undefined ? undefined : tails.get(tail);
  if (tail === undefined || whole === undefined) return example;
  const nearestName = `The nearest name is "${whole}".`;
  return tail === whole ? nearestName : `${nearestName} "*.${tail}" matches it at any depth.`;
}
