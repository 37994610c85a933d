/**
 * What Windows makes of paths, decided without Windows: names, drives, URLs, and errors of its own.
 * It exists because a name that is a device there takes the output and keeps nothing.
 */
import { win32 } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pathOf } from '../../node/input-file.js';
import { missingAbove } from '../../node/output-folder.js';
import { faultOnWindows } from '../../node/windows-name.js';
import { addressOf } from '../../node/worker-host.js';
import { writeFailed } from '../../node/write-failed.js';

describe('names', () => {
  it.each([
    ...['NUL', 'nul.safetensors', 'C:\\models\\CON\\x.pt', 'aux.tar.pt', 'com1.pt', 'LPT².pt'],
    ...['con .pt', '..\\PRN', 'C:NUL', '\\\\server\\share\\CONOUT$', '\\\\.\\NUL', '//./COM1'],
  ])('%s is a device', (path) => {
    expect(faultOnWindows(path)).toMatch(/device/);
  });

  it.each([
    ['model.safetensors:hidden', ':'],
    ['C:\\out\\a:b.pt', ':'],
    ['what?.pt', '?'],
    ['a*b.pt', '*'],
    ['"quoted".pt', '"'],
    ['a|b.pt', '|'],
    ['line\nbreak.pt', 'n'],
  ])('%j has a character that names cannot have', (path, character) => {
    expect(faultOnWindows(path)).toContain('in names');
    expect(faultOnWindows(path)).toContain(character);
  });

  it.each([
    ['x.pt.', 'dot'],
    ['out.\\x.pt', 'dot'],
    ['out /x.pt', 'space'],
    ['x.safetensors ', 'space'],
  ])('%j would lose its end', (path, what) => {
    expect(faultOnWindows(path)).toContain(what);
  });

  it.each([
    ...[
      'model.safetensors',
      'C:\\models\\model.pt',
      'C:model.pt',
      'c:/models/llama-int4/',
      '.',
      '..',
    ],
    ...['..\\..\\x.pt', '.\\out\\', '\\\\server\\share\\models\\x.pt', '//server/share/x.pt'],
    ...['\\\\?\\C:\\very\\long\\NUL. ', '\\rooted\\x.pt', 'console.pt', 'com10.pt', 'nul-model.pt'],
    ...['.hidden', 'lpt.pt', 'größe – 模型.safetensors', "it's (1).pt"],
  ])('%s is fine', (path) => {
    expect(faultOnWindows(path)).toBeUndefined();
  });
});

describe('file: URLs', () => {
  it.each([
    ['file:///C:/models/model.pt', 'C:\\models\\model.pt'],
    ['file:///c:/with%20space/%C3%A4.pt', 'c:\\with space\\ä.pt'],
    ['file://server/share/model.pt', '\\\\server\\share\\model.pt'],
    ['FILE:///D:/x.pt', 'D:\\x.pt'],
  ])('%s is a path', (url, path) => {
    expect(pathOf(url, 'model', true)).toBe(path);
    expect(pathOf(new URL(url), 'model', true)).toBe(path);
  });

  it.each(['file:///models/model.pt', 'file:///C:/a%2Fb.pt', 'file:///C:/a%5Cb.pt'])(
    '%s is none: it has no drive, or hides a separator',
    (url) => {
      expect(() => pathOf(url, 'model', true)).toThrow('file: URL of this machine');
    },
  );

  it('a path with a drive is no URL', () => {
    expect(pathOf('C:\\models\\model.pt', 'model', true)).toBe('C:\\models\\model.pt');
  });
});

describe('drives', () => {
  const missing = (path: string, there: readonly string[]) =>
    missingAbove(path, (each) => there.includes(each), win32.dirname);

  it('folders are made up to one that is there', () => {
    expect(missing('C:\\a\\b', ['C:\\'])).toEqual(['C:\\a', 'C:\\a\\b']);
    expect(missing('\\\\server\\share\\a', ['\\\\server\\share\\'])).toEqual([
      '\\\\server\\share\\a',
    ]);
    expect(missing('C:\\a', ['C:\\a'])).toEqual([]);
  });

  it('a drive that is not there ends the search', () => {
    expect(missing('Z:\\a\\b', [])).toEqual(['Z:\\', 'Z:\\a', 'Z:\\a\\b']);
    expect(missing('\\\\server\\share\\a', [])[0]).toBe('\\\\server\\share\\');
  });

  it('a worker may be named by its path', () => {
    expect(addressOf('C:\\my apps\\worker.js').href).toBe('file:///C:/my%20apps/worker.js');
    expect(addressOf('file:///C:/worker.js').href).toBe('file:///C:/worker.js');
    expect(addressOf('/srv/worker.js').href).toBe('file:///srv/worker.js');
  });
});

describe('errors', () => {
  const error = (code: string) => Object.assign(new Error(code), { code });

  it.each(['EBUSY', 'EACCES', 'EPERM'])('%s may be a file that is open elsewhere', (code) => {
    expect(writeFailed('x.pt', error(code), 'win32').suggestion).toContain('Close the programs');
    expect(writeFailed('x.pt', error(code), 'linux').suggestion).toBeUndefined();
  });

  it('others are what they are everywhere', () => {
    expect(writeFailed('x.pt', error('ENOSPC'), 'win32').suggestion).toContain('Make room');
    expect(writeFailed('x.pt', error('EIO'), 'win32').suggestion).toBeUndefined();
  });
});
