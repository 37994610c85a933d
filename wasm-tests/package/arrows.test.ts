/**
 * The rule that arrows between rooms point down.
 * It exists because a check that finds nothing looks like a house in order.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const SCRIPT = join(import.meta.dirname, '../../scripts/arrows.mjs');

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'arrows-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** What the check says of a checkout that has these files only; nothing where it is content. */
function saidOf(files: Readonly<Record<string, string>>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT, root], (error, _stdout, stderr) => {
      resolve(error === null ? '' : stderr.trim());
    });
  });
}

it('lets rooms use those below', async () => {
  const said = await saidOf({
    'cpp/monoquant/plan/plan.cc': '#include "monoquant/base/json.h"\n#include <vector>\n',
    'cpp/monoquant/base/json.h': '',
    'node/cli/main.ts': "import { open } from '../index.js';\n",
    'node/index.ts': "export type { Dtype } from '../js/api/catalog.js';\n",
    'js/api/catalog.ts': '',
  });
  expect(said).toBe('');
});

it.each([
  ['cpp/monoquant/base/json.h', '#include "monoquant/plan/plan.h"', 'cpp/monoquant/plan/plan.h'],
  ['cpp/monoquant/quant/scheme.h', '#include "monoquant/catalog/c.h"', 'cpp/monoquant/catalog/c.h'],
  ['js/io/source.ts', "import { a } from '../engine/engine.js';", 'js/engine/engine.ts'],
  ['js/io/source.ts', "type A = import('../engine/engine.js').A;", 'js/engine/engine.ts'],
  ['node/index.ts', "import { a } from './cli/main.js';", 'node/cli/main.ts'],
  ['node/cli/main.ts', "import { a } from '../../web/engine/index.js';", 'web/engine/index.ts'],
  ['js/worker/server.ts', "import { a } from '../session/handle.js';", 'js/session/handle.ts'],
  ['js/worker/server.ts', "import { a } from '../report/gates.js';", 'js/report/gates.ts'],
  ['js/report/gates.ts', "import { a } from '../session/handle.js';", 'js/session/handle.ts'],
  ['js/session/handle.ts', "import { a } from '../io/source.js';", 'js/io/source.ts'],
  ['js/engine/engine.ts', "import { a } from '../words/format.js';", 'js/words/format.ts'],
  ['web/page/app.tsx', "import { a } from '../engine/index.js';", 'web/engine/index.ts'],
  ['web/page/app.tsx', "import { a } from '../../js/url/hub.js';", 'js/url/hub.ts'],
  ['web/page/network/a.ts', "import { a } from '../app.js';", 'web/page/app.ts'],
])('names a file that points up or aside: %s', async (file, text, used) => {
  const said = await saidOf({ [file]: `${text}\n`, [used]: '' });
  expect(said).toContain(file);
  expect(said).toContain(used);
});

it('finds circles within a room', async () => {
  const said = await saidOf({
    'js/api/one.ts': "import type { Two } from './two.js';\n",
    'js/api/two.ts': "import type { One } from './one.js';\n",
  });
  expect(said).toContain('js/api/one.ts -> js/api/two.ts -> js/api/one.ts');
});

it('knows every file', async () => {
  expect(await saidOf({ 'cpp/monoquant/elsewhere/new.cc': '' })).toContain('in no room');
});
