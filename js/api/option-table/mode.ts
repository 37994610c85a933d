/**
 * How activations are treated: what the switches, the mode, the bits and the data say together.
 * There are four ways to say it, and each can contradict the others.
 * Without a word it is `static` where there are data, else `dynamic`; other bits than 8, and some formats, are
 * weights-only.
 */

import { formatOf } from '../gguf-format.js';
import { factsOf, type Mode } from '../schemes.js';
import { option, say } from '../sentence.js';
import type { AnyBits, Beside, Need, Refusal } from './conflict.js';
import { bitsFor, formatFactsOf } from './format.js';

/** The switch that says the same as a mode. */
export const SWITCH_OF = {
  dynamic: 'dynamic',
  'weights-only': 'weightsOnly',
  static: 'static',
} as const satisfies Readonly<Record<Mode, string>>;

type Choices = Omit<Beside, 'bits' | 'activations'> & { readonly bits?: AnyBits };

const SWITCHES = Object.entries(SWITCH_OF) as [Mode, (typeof SWITCH_OF)[Mode]][];

const MEANS: Readonly<Record<Mode, string>> = {
  dynamic: 'quantizes activations as they come',
  'weights-only': 'leaves them alone',
  static: 'takes stored scales for them',
};

/** What holds; of choices that contradict each other, the first counts. */
export function modeOf(choices: Choices): Mode {
  const { calibration = [], codes } = choices;
  const possible = modesOf(bitsFor(choices), codes);
  if (choices.budget != null) return 'weights-only';
  if (possible.length === 1 || formatFactsOf(formatOf(choices)).weightsOnly) return 'weights-only';
  const said = choices.mode ?? SWITCHES.find(([, key]) => choices[key] === true)?.[0];
  if (said !== undefined) return said;
  const order: readonly Mode[] =
    calibration.length > 0 ? ['static', 'dynamic', 'weights-only'] : ['dynamic', 'weights-only'];
  const isLeft = (mode: Mode) => possible.includes(mode) && choices[SWITCH_OF[mode]] !== false;
  return order.find(isLeft) ?? possible[0] ?? 'dynamic';
}

/** What loaders can do beside codes of this kind: integers of 4 bits are packed, and activations left alone. */
function modesOf(bits: AnyBits, codes: Beside['codes']): readonly Mode[] {
  const own = factsOf(codes)?.modes;
  if (own !== undefined) return own;
  return bits === 8 ? ['dynamic', 'static', 'weights-only'] : ['weights-only'];
}

/** Of the ways to say it: all say the same, and it can be. */
export const needsAgreement: Need = (key, value, beside) => {
  const mine = saidBy(key, value);
  for (const other of ['mode', ...Object.values(SWITCH_OF)]) {
    if (other === key) break;
    const theirs = saidBy(other, beside[other as keyof Beside]);
    const problem = disagreement([other, theirs], [key, mine], beside);
    if (problem === undefined) continue;
    return { beside: [other], isMutual: true, ...problem };
  }
  return impossible(key, mine, beside);
};

interface Said {
  readonly mode: Mode;
  /** False: it is said not to be this one. */
  readonly isMeant: boolean;
}

function saidBy(key: string, value: unknown): Said | undefined {
  if (value === undefined) return undefined;
  if (key === 'mode') return { mode: value as Mode, isMeant: true };
  const [mode] = SWITCHES.find(([, name]) => name === key) ?? [];
  return mode && { mode, isMeant: value === true };
}

type Named = readonly [key: string, said: Said | undefined];
type Problem = Pick<Refusal, 'message' | 'suggestion'>;

function disagreement([a, first]: Named, [b, second]: Named, beside: Beside): Problem | undefined {
  if (first === undefined || second === undefined) return undefined;
  if (!first.isMeant && !second.isMeant) return allDenied(a, b, beside);
  const isSame = first.mode === second.mode;
  if (first.isMeant !== second.isMeant ? !isSame : isSame) return undefined;
  if (first.isMeant && second.isMeant && a !== 'mode') {
    return {
      message: say`${option(a)} ${MEANS[first.mode]}, ${option(b)} ${MEANS[second.mode]}: they exclude each other.`,
      suggestion: 'Give one of the two.',
    };
  }
  return {
    message: say`${shown(a, beside)} contradicts ${shown(b, beside)}.`,
    suggestion: LEAVE_OUT,
  };
}

const LEAVE_OUT = 'Leave out one of the two.';

/** Both say how it is not: is anything left? */
function allDenied(a: string, b: string, beside: Beside): Problem | undefined {
  const left = SWITCHES.filter(
    ([mode, key]) => beside[key] !== false && (mode !== 'static' || beside.calibration?.length),
  );
  const isSaid = beside.mode !== undefined || SWITCHES.some(([, key]) => beside[key] === true);
  if (left.length > 0 || isSaid) return undefined;
  return {
    message: say`With ${option(a)} and ${option(b)} both false, nothing says how activations are treated.`,
    suggestion: LEAVE_OUT,
  };
}

function impossible(
  key: string,
  said: Said | undefined,
  { bits, calibration, codes, format }: Beside,
) {
  if (said === undefined) return undefined;
  const isDenied = (said.mode === 'weights-only') !== said.isMeant;
  if (isDenied && bits === 8 && formatFactsOf(format).weightsOnly) {
    return {
      beside: ['format'],
      message: say`${option('format', format)} stores weights only.`,
      suggestion: say`Leave out ${option(key)}, or take another format.`,
    };
  }
  const own = factsOf(codes)?.modes;
  if (own !== undefined && own.length > 1) {
    if (said.isMeant && !own.includes(said.mode)) {
      return {
        beside: ['codes'],
        message: say`${option('codes', codes)} has activations that are ${own.join(' or ')}, so ${option(key)} has no meaning.`,
        suggestion: say`Leave out ${option(key)}, or take ${option('mode', own[0])}.`,
      };
    }
  } else if (bits !== 8 && isDenied) {
    return {
      beside: ['bits'],
      message: say`Activations are quantized with 8 bits only, so ${option('bits', bits)} is always weights-only.`,
      suggestion: say`Leave out ${option(key)}, or take ${option('bits', 8)}.`,
    };
  }
  if (said.mode !== 'static' || !said.isMeant || calibration?.length) return undefined;
  return {
    beside: ['calibration'],
    message:
      "Static activations need a calibration: captured inputs of the model's layers, or what was made of them.",
    suggestion: say`Capture inputs (the README has the lines for PyTorch, under "Calibration") and give ${option('calibration', 'inputs.pt')}; or leave out ${option('static')}.`,
  };
}

function shown(key: string, beside: Beside) {
  return option(key, beside[key as keyof Beside]);
}
