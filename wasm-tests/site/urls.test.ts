/**
 * Models behind URLs: read from where they are, in parts, by the one frame of the site that may; and only once somebody
 * has asked for one.
 * It exists because "nothing leaves this device" and "paste a URL" hold together only if the browser enforces it.
 * Servers are on this machine, let pages read what they have, and misbehave on purpose.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Folder, monoquant, shell } from '../support/cli.js';
import { FileServer, forPages, type Reply, type Trouble } from '../support/file-server.js';
import { mixedModel, weights } from '../support/models.js';
import { writeSafetensors } from '../support/safetensors.js';
import { storedFrames } from '../support/zstd.js';
import { SiteServer } from './server.js';
import { sha256Of, type Visit, visitors } from './visit.js';

const visit = visitors();
const folder = new Folder();

const MODEL = writeSafetensors(
  [weights('big.weight', 'F32', [1024, 4096], 5), ...mixedModel('F32')],
  { format: 'pt' },
);
const SHARDS = ['a.', 'b.'].map((prefix) => mixedModel('F32', prefix));
const shardName = (number: number) => `model-0000${number + 1}-of-00002.safetensors`;
const INDEX = JSON.stringify({
  weight_map: Object.fromEntries(
    SHARDS.flatMap((tensors, number) => tensors.map(({ name }) => [name, shardName(number)])),
  ),
});
const FILES: Readonly<Record<string, Uint8Array | string>> = {
  'one/tiny.safetensors': MODEL,
  'packed/tiny.safetensors.zst': storedFrames(MODEL, 1 << 20, true),
  'org/llama/config.json': JSON.stringify({ model_type: 'llama' }),
  'org/llama/model.safetensors.index.json': INDEX,
  ...Object.fromEntries(
    SHARDS.map((tensors, number) => [
      `org/llama/${shardName(number)}`,
      writeSafetensors(tensors, {}),
    ]),
  ),
};

let host: FileServer;
/** Of what the command makes of the model here. */
let expected: string;

beforeAll(async () => {
  host = await FileServer.start(FILES);
  writeFileSync(folder.at('tiny.safetensors'), MODEL);
  const output = folder.at('expected.safetensors');
  const { code, stderr } = await monoquant(
    'quantize',
    folder.at('tiny.safetensors'),
    '-b',
    '4',
    '-o',
    output,
  );
  expect(code, stderr).toBe(0);
  expected = sha256At('expected.safetensors');
});
afterAll(() => host.close());
beforeEach(() => {
  host.trouble = forPages;
  host.asked.length = 0;
});

function sha256At(name: string): string {
  return sha256Of(readFileSync(folder.at(name)));
}

/** For whoever does not misbehave with the headers: they stay. */
const but =
  (trouble: Trouble): Trouble =>
  (reply, asked) =>
    forPages(trouble(reply, asked));

const status = (code: number, headers: Reply['headers'] = {}): Reply => ({
  status: code,
  headers,
  body: Buffer.from('no'),
});

/** From the second request on, every n-th. */
function seldom(n: number, trouble: Trouble): Trouble {
  return (reply, asked) => (asked.number % n === 1 ? trouble(reply, asked) : reply);
}

async function outputOf(visitor: Visit): Promise<string> {
  await visitor.choose('INT4');
  await visitor.quantize();
  return (await visitor.save()).sha256;
}

/** In parts; who is asked without one sends all. */
function bytesAsked(): number {
  return host.asked.reduce((sum, { headers }) => {
    const [, begin, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    return sum + (begin === undefined ? MODEL.length : Number(last) - Number(begin) + 1);
  }, 0);
}

/** The sentence beside the way in. */
async function refusalOf(visitor: Visit): Promise<string> {
  const alert = visitor.page.getByRole('region', { name: 'Model', exact: true }).getByRole('alert');
  await alert.waitFor();
  const told = await alert.innerText();
  expect(told).toMatch(/could not be opened\. .{10,}/s);
  expect(told).not.toMatch(/undefined|\[object|Error:/);
  await noFrame(visitor);
  return told;
}

async function noFrame({ page }: Visit): Promise<void> {
  await expect.poll(() => page.frames().length).toBe(1);
}

/** Of refused requests browsers say something in the console, whoever catches the error. */
function forgive({ complaints }: Visit): void {
  const others = complaints.filter((text) => !/Failed to load resource|blocked by CORS/.test(text));
  complaints.splice(0, complaints.length, ...others);
}

describe.each([true, false])('isolated: %s', (isolated) => {
  it('a file becomes what it becomes here; the copied command does the same', async () => {
    const visitor = await visit({ isolated });
    const url = host.url('one/tiny.safetensors');
    await visitor.openUrl(url);
    await visitor.opened('tiny.safetensors');
    expect(await outputOf(visitor)).toBe(expected);
    const command = await visitor.copied('Copy as command');
    expect(command).toContain(` ${url} `);
    // No server had to be asked whether it may be asked, and hardly a byte was sent twice.
    expect(host.asked.map(({ method }) => method)).not.toContain('OPTIONS');
    expect(bytesAsked()).toBeLessThan(MODEL.length * 1.2);
    const line = `${command.replace(/^npx /, '')} --force`;
    const { code, stderr } = await shell(`cd '${folder.path}' && ${line}`);
    expect(code, stderr).toBe(0);
    expect(sha256At('tiny-int4.safetensors')).toBe(expected);
    const done = visitor.card('What came out');
    await done.getByRole('button', { name: 'Validate', exact: true }).click();
    await done.getByText(/^Valid: /).waitFor();
  });

  it('a folder becomes what its dropped files become, with its config.json', async () => {
    const visitor = await visit({ isolated });
    const names = Object.keys(FILES).filter((name) => name.startsWith('org/'));
    const paths = names.map((name) => folder.at(name.replace(/.*\//, '')));
    for (const [number, path] of paths.entries())
      writeFileSync(path, FILES[names[number] ?? ''] ?? '');
    await visitor.pick(...paths);
    await visitor.opened('model.safetensors');
    const here = await outputOf(visitor);
    await visitor.openUrl(host.url('org/llama'));
    await visitor.opened('llama');
    expect(await outputOf(visitor)).toBe(here);
    const done = visitor.card('What came out');
    expect(await done.getByRole('button', { name: 'Save config.json' }).count()).toBe(1);
    // The same by its index.
    await visitor.openUrl(host.url('org/llama/model.safetensors.index.json'));
    await visitor.opened('model.safetensors.index.json');
    expect(await outputOf(visitor)).toBe(here);
    forgive(visitor);
  });
});

it('a compressed file is unpacked as it comes', async () => {
  const visitor = await visit({ isolated: true });
  await visitor.openUrl(host.url('packed/tiny.safetensors.zst'));
  await visitor.opened('tiny.safetensors.zst');
  expect(await outputOf(visitor)).toBe(expected);
});

describe('the bytes are the same', () => {
  it.each<[string, Trouble]>([
    ['slowly', but((reply) => ({ ...reply, drop: 60_000 }))],
    ['cut off every 700,000 bytes', but((reply) => ({ ...reply, cut: 700_000 }))],
    ['busy now and then', but(seldom(4, () => status(503)))],
    ['asked too often', but(seldom(4, () => status(429, { 'retry-after': '0' })))],
    ['without parts', but((reply) => ({ ...reply, status: 200, body: MODEL, headers: {} }))],
    [
      'without a word that pages may see',
      (reply) => ({
        ...reply,
        headers: { ...reply.headers, 'access-control-allow-origin': '*' },
      }),
    ],
    [
      'from elsewhere',
      but((reply, { path }) =>
        path.endsWith('?moved') ? reply : status(302, { location: `${path}?moved` }),
      ),
    ],
  ])('%s', async (_, trouble) => {
    host.trouble = trouble;
    const visitor = await visit({ isolated: true });
    await visitor.openUrl(host.url('one/tiny.safetensors'));
    await visitor.opened('tiny.safetensors');
    expect(await outputOf(visitor)).toBe(expected);
    forgive(visitor);
  });
});

describe('what cannot be read is told', () => {
  const large = { 'content-length': `${65 << 20}` };
  it.each<[string, Trouble, RegExp]>([
    ['a host that lets no page read it', (reply) => reply, /does not let pages read it/],
    ['a file that is not there', but(() => status(404)), /There is no file/],
    ['a door', but(() => status(401)), /wants to know who asks \(401\)/],
    [
      'a large file that comes only whole',
      but(() => ({ status: 200, headers: large, body: MODEL, cut: 10 })),
      /more than 64 MiB/,
    ],
  ])('%s', async (_, trouble, says) => {
    host.trouble = trouble;
    const visitor = await visit({ isolated: true });
    const url = `${host.url('one/tiny.safetensors')}?key=a&b`;
    await visitor.openUrl(url);
    const told = await refusalOf(visitor);
    expect(told).toMatch(says);
    if (!told.includes('There is no file')) {
      expect(told).toContain(`npx monoquant quantize '${url}'`);
    }
    // The next one is served.
    host.trouble = forPages;
    await visitor.openUrl(host.url('one/tiny.safetensors'));
    await visitor.opened('tiny.safetensors');
    expect(await visitor.page.getByRole('alert').count()).toBe(0);
    forgive(visitor);
  });

  it.each([
    ['http://models.example/tiny.safetensors', /https: URLs only/],
    ['https://me:secret@models.example/tiny.safetensors', /does not sign in/],
    ['ftp://models.example/tiny.safetensors', /Expected an https: URL/],
  ])('%s', async (url, says) => {
    const visitor = await visit();
    await visitor.openUrl(url);
    const told = await refusalOf(visitor);
    expect(told).toMatch(says);
    expect(told.replace(/npx .*/, '')).not.toContain('secret');
  });

  it('a file that changes on the way', async () => {
    const visitor = await visit({ isolated: true });
    await visitor.openUrl(host.url('one/tiny.safetensors'));
    await visitor.opened('tiny.safetensors');
    await visitor.planned();
    host.trouble = but((reply) => ({ ...reply, headers: { ...reply.headers, etag: '"other"' } }));
    await visitor.quantizeButton.click();
    const alert = visitor.card('Result').getByRole('alert');
    await alert.waitFor();
    expect(await alert.innerText()).toMatch(/The run failed\..+changed while it was being read/s);
    expect(await visitor.privateFiles()).toEqual([]);
    host.trouble = forPages;
    await visitor.quantize();
  });
});

/** Whether this document's own requests to another host are refused. */
function isShut(url: string): Promise<boolean> {
  return fetch(url, { mode: 'no-cors' }).then(
    () => false,
    () => true,
  );
}

describe.each([true, false])('the way to the network, isolated: %s', (isolated) => {
  it('is there for the time of a model that was named, and for the frame alone', async () => {
    const elsewhere = await SiteServer.start();
    try {
      const visitor = await visit({ isolated });
      const { page, server } = visitor;
      await visitor.worksOffline();
      await visitor.tryExample();
      await visitor.showWaysIn();
      await visitor.page.getByLabel('or paste a URL').fill(host.url('one/tiny.safetensors'));
      await noFrame(visitor);
      expect(host.asked).toEqual([]);
      expect(await page.evaluate(isShut, elsewhere.url)).toBe(true);

      await page.keyboard.press('Enter');
      await visitor.opened('tiny.safetensors');
      const frames = page.frames();
      expect(frames.map((frame) => frame.url().slice(server.url.length))).toEqual([
        '',
        'network/index.html',
      ]);
      const [, network] = frames;
      expect(await page.evaluate(() => crossOriginIsolated)).toBe(isolated);
      // The page stays shut, and so does the frame for all but reading.
      expect(await page.evaluate(isShut, elsewhere.url)).toBe(true);
      const loads = await network?.evaluate(async (url) => {
        const load = (element: HTMLImageElement | HTMLScriptElement) =>
          new Promise<boolean>((resolve) => {
            element.onload = () => resolve(true);
            element.onerror = () => resolve(false);
            element.src = url;
            document.body.append(element);
          });
        const image = await load(document.createElement('img'));
        return image || (await load(document.createElement('script')));
      }, `${elsewhere.url}icon.svg`);
      expect(loads).toBe(false);
      expect(elsewhere.requests).toEqual([]);
      await visitor.quantize();
      // Nobody else was asked.
      for (const request of visitor.requests) {
        const { origin } = new URL(request.url());
        if (origin === elsewhere.origin) expect(request.failure()).not.toBeNull();
        else expect([server.origin, host.origin, 'null']).toContain(origin);
      }

      await visitor.tryExample();
      await noFrame(visitor);
      const asked = host.asked.length;
      await visitor.quantize();
      expect(host.asked.length).toBe(asked);
      visitor.complaints.length = 0;
    } finally {
      await elsewhere.stop();
    }
  });
});
