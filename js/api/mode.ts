/**
 * How activations are treated: what the switches, the mode, the bits and the data say together.
 * It exists because there are four ways to say it, and each can contradict the others.
 * Without a word it is `static` where there are data, else `dynamic`; other bits than 8 are weights-only.
 */
import { contradiction } from './check.js';
import type { Choices } from './option-checks.js';
import type { Configuration, Mode } from './types.js';

export type AnyBits = Configuration['bits'];

const SWITCHES = [
  ['dynamic', 'dynamic'],
  ['weightsOnly', 'weights-only'],
  ['static', 'static'],
] as const satisfies readonly (readonly [keyof Choices, Mode])[];

/** A word of the caller about the mode. */
interface Said {
  readonly key: 'mode' | (typeof SWITCHES)[number][0];
  readonly mode: Mode;
}

export function modeOf(choices: Choices, bits: AnyBits): Mode {
  const hasData = (choices.calibration?.length ?? 0) > 0;
  if (bits !== 8) {
    refuseActivations(choices, bits);
    return 'weights-only';
  }
  const mode = saidMode(choices, hasData) ?? (hasData ? 'static' : 'dynamic');
  if (mode === 'static' && !hasData) throw needsData();
  return mode;
}

function refuseActivations(choices: Choices, bits: AnyBits): void {
  saidMode(choices, true);
  const wanted = {
    mode: choices.mode !== undefined && choices.mode !== 'weights-only',
    dynamic: choices.dynamic === true,
    static: choices.static === true,
    weightsOnly: choices.weightsOnly === false,
  };
  const [key] = Object.entries(wanted).find(([, isWanted]) => isWanted) ?? [];
  if (key === undefined) return;
  throw contradiction(
    `Activations are quantized with 8 bits only, so bits: ${bits} is always weights-only.`,
    `Leave out ${key}, or take bits: 8.`,
  );
}

/** What all of them agree on. */
function saidMode(choices: Choices, hasData: boolean): Mode | undefined {
  const said: Said[] = SWITCHES.filter(([key]) => choices[key] === true).map(([key, mode]) => ({
    key,
    mode,
  }));
  if (choices.mode !== undefined) said.unshift({ key: 'mode', mode: choices.mode });
  const [first, second] = said;
  if (first === undefined) return leftMode(choices, hasData);
  if (second !== undefined && first.mode !== second.mode) throw excluding(first, second, choices);
  const denied = SWITCHES.find(([key, mode]) => choices[key] === false && first.mode === mode);
  if (denied === undefined) return first.mode;
  throw contradiction(
    `${show(first, choices)} contradicts ${denied[0]}: false.`,
    'Leave out one of the two.',
  );
}

/** Where switches only say how it is not. */
function leftMode(choices: Choices, hasData: boolean): Mode | undefined {
  const denied = SWITCHES.filter(([key]) => choices[key] === false);
  if (denied.length === 0) return undefined;
  const order: readonly Mode[] = hasData
    ? ['static', 'dynamic', 'weights-only']
    : ['dynamic', 'weights-only'];
  const mode = order.find((candidate) => !denied.some(([, other]) => other === candidate));
  if (mode !== undefined) return mode;
  const keys = denied.map(([name]) => name).slice(0, 2);
  throw contradiction(
    `With ${keys.join(' and ')} both false, nothing says how activations are treated.`,
    'Leave out one of the two.',
  );
}

function excluding(first: Said, second: Said, choices: Choices): Error {
  if (first.key === 'mode') {
    return contradiction(
      `${show(first, choices)} contradicts ${show(second, choices)}.`,
      'Leave out one of the two.',
    );
  }
  const means = {
    dynamic: 'dynamic quantizes activations as they come',
    'weights-only': 'weightsOnly leaves them alone',
    static: 'static takes stored scales for them',
  };
  return contradiction(
    `${means[first.mode]} and ${means[second.mode]}: they exclude each other.`,
    'Give one of the two.',
  );
}

function show({ key, mode }: Said, choices: Choices): string {
  return key === 'mode' ? `mode: "${mode}"` : `${key}: ${choices[key]}`;
}

function needsData(): Error {
  return contradiction(
    "Static activations need a calibration: captured inputs of the model's layers, or what was made of them.",
    'Capture inputs (the README has the lines for PyTorch, under "Calibration") and give calibration: "inputs.pt"; or leave out static.',
  );
}
