/**
 * Names that Windows takes for something else than a file: devices, streams, names that it changes.
 * It exists because such an output would be lost, or lie somewhere else, and nobody would be told.
 */
import { win32 } from 'node:path';
import { contradiction } from '../js/api/check.js';

/** With any ending: `nul.safetensors` is one, too. Digits may be superscripts. */
const DEVICE = /^(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[\d¹²³])$/i;
const FORBIDDEN = /[<>:"|?*]|\p{Cc}/u;

/** Paths that begin so are taken as they are, `\\.\` leads to devices. */
const LITERAL = /^\\\\\?\\/;
const DEVICES = /^[\\/]{2}\.[\\/]/;

/** Throws if `path` names no file on this system. */
export function checkName(path: string): void {
  const fault = process.platform === 'win32' ? faultOnWindows(path) : undefined;
  if (fault !== undefined) throw contradiction(`${fault}: "${path}".`, 'Choose another name.');
}

/** What is wrong with a path on Windows, in words; undefined if it may name a file or a folder. */
export function faultOnWindows(path: string): string | undefined {
  if (LITERAL.test(path)) return undefined;
  if (DEVICES.test(path)) return 'Expected a file, found a device of Windows';
  const { root } = win32.parse(path);
  for (const part of path.slice(root.length).split(/[\\/]+/)) {
    if (part === '' || part === '.' || part === '..') continue;
    const fault = faultOfPart(part);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultOfPart(part: string): string | undefined {
  const [stem = ''] = part.split('.');
  if (DEVICE.test(stem.trimEnd())) return `"${stem}" is the name of a device on Windows`;
  const [character] = FORBIDDEN.exec(part) ?? [];
  if (character !== undefined) return `Windows takes no ${JSON.stringify(character)} in names`;
  const last = part.at(-1);
  if (last !== '.' && last !== ' ') return undefined;
  return `Windows takes away the ${last === '.' ? 'dot' : 'space'} at the end of a name`;
}
