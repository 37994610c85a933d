/**
 * Models behind URLs, through every door of Node: what is written is what is written of the same files here.
 * Servers are on this machine and misbehave on purpose; a run that cannot be done leaves nothing behind.
 */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  calibrate,
  compare,
  convert,
  dequantize,
  type MonoquantError,
  merge,
  open,
  quantize,
  validate,
} from '#package/node';
import { certificateFor } from '../support/certificate.js';
import { CLI, Folder, start } from '../support/cli.js';
import {
  FileServer,
  honestReply,
  type Reply,
  type Trouble,
  Tunnel,
} from '../support/file-server.js';
import { mixedModel, weights } from '../support/models.js';
import { writeSafetensors } from '../support/safetensors.js';
import { storedFrame, storedFrames } from '../support/zstd.js';

const folder = new Folder();
const MODEL = writeSafetensors(
  [weights('big.weight', 'F32', [512, 4096], 5), ...mixedModel('F32')],
  { format: 'pt' },
);
const CONFIG = JSON.stringify({
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  auto_map: { AutoConfig: 'own.Config', AutoModel: ['own.Model', null] },
});
const INDEX = JSON.stringify({
  weight_map: Object.fromEntries([
    ...mixedModel('F32', 'a.').map(({ name }) => [name, 'model-00001-of-00002.safetensors']),
    ...mixedModel('F32', 'b.').map(({ name }) => [name, 'model-00002-of-00002.safetensors']),
  ]),
});
const FILES: Readonly<Record<string, Uint8Array | string>> = {
  'one/model.safetensors': MODEL,
  'one/config.json': CONFIG,
  'one/tokenizer.json': '{"tokens":[]}',
  'one/LICENSE': 'free',
  'one/own.py': 'class Model: pass',
  'one/secret.txt': 'nobody knows its name',
  'many/config.json': CONFIG,
  'many/model-00001-of-00002.safetensors': writeSafetensors(mixedModel('F32', 'a.'), {}),
  'many/model-00002-of-00002.safetensors': writeSafetensors(mixedModel('F32', 'b.'), {}),
  'many/model.safetensors.index.json': INDEX,
  'loose/part-00001-of-00002.safetensors': writeSafetensors(mixedModel('F32', 'a.'), {}),
  'loose/part-00002-of-00002.safetensors': writeSafetensors(mixedModel('F32', 'b.'), {}),
};

let server: FileServer;

beforeAll(async () => {
  server = await FileServer.start(FILES);
  mkdirSync(folder.at('cwd'));
  for (const [name, content] of Object.entries(FILES)) {
    mkdirSync(folder.at(`here/${name}`.replace(/\/[^/]*$/, '')), { recursive: true });
    writeFileSync(folder.at(`here/${name}`), content);
  }
  await quantize(here('one/model.safetensors'), { output: folder.at('expected.safetensors') });
});
afterAll(() => server.close());
beforeEach(() => {
  server.trouble = (reply) => reply;
  server.asked.length = 0;
});

describe('what is written', () => {
  it.each<[string, Trouble]>([
    ['well', (reply) => reply],
    ['slowly', (reply) => ({ ...reply, drop: 50_000 })],
    ['cut off every 700,000 bytes', (reply) => ({ ...reply, cut: 700_000 })],
    [
      'whole only',
      (reply, { path }) => {
        const body = server.files.get(path);
        return body === undefined ? reply : { ...reply, status: 200, body };
      },
    ],
    ['late', seldom(() => refusal(503))],
    ['too often', seldom(() => refusal(429, { 'retry-after': '0' }))],
    [
      'from elsewhere',
      (reply, { path, headers }) => {
        if (path.startsWith('/stored')) return honestReply(MODEL, headers);
        const isModel = path.endsWith('/model.safetensors');
        return isModel ? refusal(302, { location: '/stored?key=1' }) : reply;
      },
    ],
  ])('is the same if the server sends %s', async (_, trouble) => {
    server.trouble = trouble;
    const output = folder.at('out.safetensors');
    await quantize(server.url('one/model.safetensors'), { output, force: true, threads: 2 });
    expectSame('out.safetensors', 'expected.safetensors');
  });

  it('asks for no more than there is, and mostly once', async () => {
    await quantize(server.url('one/model.safetensors'), {
      output: folder.at('once.safetensors'),
      threads: 1,
    });
    const { ranges, bytes } = askedOf('/one/model.safetensors');
    expect(ranges).not.toContain(null);
    expect(bytes).toBeLessThan(MODEL.length * 1.2);
  });

  it('is made by several machines, each of which fetches its part of the model', async () => {
    const model = writeSafetensors(
      Array.from({ length: 16 }, (_, i) => weights(`layers.${i}.weight`, 'F32', [512, 1024], i)),
      {},
    );
    server.files.set('/large.safetensors', model);
    writeFileSync(folder.at('large.safetensors'), model);
    await quantize(folder.at('large.safetensors'), { output: folder.at('whole.safetensors') });
    const output = folder.at('shared.safetensors');
    const count = 4;
    for (const number of [1, 2, 3, 4]) {
      server.asked.length = 0;
      await quantize(server.url('large.safetensors'), { output, part: `${number}/${count}` });
      const { ranges, bytes } = askedOf('/large.safetensors');
      expect(ranges).not.toContain(null);
      // And whatever the size of the model: its header, and samples that say which model it is.
      expect(bytes - model.length / count).toBeLessThan(6 << 20);
    }
    const parts = [1, 2, 3, 4].map((number) => `${output}.part-${number}-of-${count}`);
    await merge(parts, { output });
    expectSame('shared.safetensors', 'whole.safetensors');
  });

  it.each<[string, Uint8Array]>([
    ['in frames with a table', storedFrames(MODEL, 1 << 20, true)],
    ['in one frame of unknown size', storedFrame(MODEL, false)],
  ])('is the same of a compressed model: %s', async (_, packed) => {
    server.files.set('/packed/config.json', Buffer.from(CONFIG));
    // Without the ending, nobody knows before the first bytes.
    for (const name of ['model.safetensors.zst', 'model.safetensors']) {
      server.files.set(`/packed/${name}`, packed);
      const output = folder.at('unpacked.safetensors');
      await quantize(server.url(`packed/${name}`), { output, force: true, threads: 2 });
      expectSame('unpacked.safetensors', 'expected.safetensors');
    }
  });

  it.each<[string, string, string]>([
    ['a folder', 'one/', 'one'],
    ['a folder without its slash', 'many', 'many'],
    ['an index', 'many/model.safetensors.index.json', 'many/model.safetensors.index.json'],
    [
      'one of numbered files',
      'many/model-00002-of-00002.safetensors',
      'many/model-00002-of-00002.safetensors',
    ],
    [
      'numbered files without an index',
      'loose/part-00001-of-00002.safetensors',
      'loose/part-00001-of-00002.safetensors',
    ],
    ['a file that stands for its folder', 'one/model.safetensors', 'one/model.safetensors'],
  ])('into a folder is the same: %s', async (name, there, path) => {
    const place = (kind: string) => folder.at(`${name}-${kind}/`);
    await quantize(server.url(there), { output: place('there') });
    await quantize(here(path), { output: place('here') });
    const names = readdirSync(place('here')).filter((file) => file !== 'secret.txt');
    expect(readdirSync(place('there'))).toEqual(names);
    for (const file of names) expectSame(`${name}-there/${file}`, `${name}-here/${file}`);
  });
});

describe('every call', () => {
  const there = (name: string) => server.url(name);

  it('reads URLs: open, convert, dequantize, validate, compare, calibrate', async () => {
    const model = await open(new URL(there('one/model.safetensors')));
    expect(model.names).toContain('big.weight');
    const values = (await model.tensor('fc.bias')).toTypedArray();
    expect(values).toHaveLength(24);
    await model.close();

    copyFileSync(folder.at('expected.safetensors'), folder.at('small.safetensors'));
    server.files.set('/small.safetensors', readFileSync(folder.at('small.safetensors')));
    await convert(there('one/model.safetensors'), { output: folder.at('c.pt') });
    await convert(here('one/model.safetensors'), { output: folder.at('d.pt') });
    expectSame('c.pt', 'd.pt');
    server.files.set('/c.pt', readFileSync(folder.at('c.pt')));
    await convert(there('c.pt'), { output: folder.at('e.safetensors') });
    await dequantize(there('small.safetensors'), { output: folder.at('f.safetensors') });
    await dequantize(folder.at('small.safetensors'), { output: folder.at('g.safetensors') });
    expectSame('f.safetensors', 'g.safetensors');

    const one = await compare(there('one/model.safetensors'), there('small.safetensors'));
    const other = await compare(here('one/model.safetensors'), folder.at('small.safetensors'));
    expect(one.tensors).toEqual(other.tensors);
    const reference = there('one/model.safetensors');
    expect((await validate(there('small.safetensors'), { reference })).problems).toEqual([]);

    const data = writeSafetensors([weights('fc', 'F32', [8, 160], 3)], {});
    server.files.set('/data.safetensors', data);
    const calibration = await calibrate(reference, there('data.safetensors'));
    expect(Object.keys(calibration.modules)).toEqual(['fc']);
    server.files.set('/calibration.json', Buffer.from(JSON.stringify(calibration)));
    const ofUrl = await open(reference);
    const plan = await ofUrl.plan({ calibration: there('calibration.json') });
    expect(plan.configuration.mode).toBe('static');
    await ofUrl.close();
  });

  it('checks a result with the model that it was made from, wherever that is', async () => {
    const result = await quantize(there('one/model.safetensors'));
    expect((await result.validate()).problems).toEqual([]);
    await result.save(folder.at('saved/'));
    await result.close();
    expect(readdirSync(folder.at('saved'))).toContain('tokenizer.json');
  });
});

describe('a run that cannot be done', () => {
  it.each<[string, MonoquantError['code'], Trouble]>([
    [
      'another version in the middle',
      'file-changed',
      late((reply) => header(reply, 'etag', '"x"')),
    ],
    [
      'another length in the middle',
      'file-changed',
      late((reply) => header(reply, 'content-range', 'bytes 0-9/10')),
    ],
    [
      'the wrong part',
      'read-failed',
      late((reply) => header(reply, 'content-range', `bytes 1-2/${MODEL.length}`)),
    ],
    ['all for a part', 'read-failed', late((reply) => ({ ...reply, status: 200, body: MODEL }))],
    ['no such part', 'read-failed', late(() => refusal(416))],
    ['packed bytes', 'read-failed', late((reply) => header(reply, 'content-encoding', 'gzip'))],
    ['a file that is gone', 'file-not-found', late(() => refusal(404))],
    [
      'redirections without end',
      'read-failed',
      (_, { number }) => refusal(302, { location: `/${number}` }),
    ],
    ['a closed door', 'read-failed', () => refusal(401)],
    ['nothing', 'file-not-found', () => refusal(404)],
    [
      'too much at once',
      'read-failed',
      (reply) => header({ ...reply, status: 200, cut: 5 }, 'content-length', `${100 << 20}`),
    ],
  ])('leaves nothing behind: %s', async (_, code, trouble) => {
    server.trouble = trouble;
    const output = folder.at('new/none.safetensors');
    const failed = quantize(server.url('one/model.safetensors'), { output });
    await expect(failed).rejects.toMatchObject({ code });
    expect(folder.list()).not.toContain('new');
  });

  it('is told of a file that changed after its last byte was read', async () => {
    const output = folder.at('new/none.safetensors');
    const failed = quantize(server.url('one/model.safetensors'), {
      output,
      onProgress: ({ stage }) => {
        if (stage === 'verify') server.trouble = (reply) => header(reply, 'etag', '"x"');
      },
    });
    await expect(failed).rejects.toMatchObject({ code: 'file-changed' });
    expect(folder.list()).not.toContain('new');
  });

  it('ends at once when it is aborted', async () => {
    server.trouble = (reply) => ({ ...reply, isSilent: true });
    const signal = AbortSignal.timeout(100);
    const failed = quantize(server.url('one/model.safetensors'), { signal });
    await expect(failed).rejects.toMatchObject({ code: 'aborted' });
  });

  it('names what is missing', async () => {
    const failed = open(server.url('nothing/'));
    await expect(failed).rejects.toThrow(/none of "model\.safetensors\.index\.json"/);
    server.files.delete('/loose/part-00002-of-00002.safetensors');
    const half = await open(server.url('loose/part-00001-of-00002.safetensors'));
    await expect(half.quantize({ output: folder.at('half.safetensors') })).rejects.toThrow(
      'part-00002',
    );
    await half.close();
  });
});

describe('the command', () => {
  it('writes into the current folder, under the name of the file or the folder', async () => {
    const one = await command(['quantize', server.url('one/model.safetensors'), '-q']);
    const all = await command(['quantize', `${server.url('one')}?key=hidden`, '-q']);
    expect(one.stdout + all.stdout).toBe('model-int8.safetensors\none-int8/model.safetensors\n');
    expect(readdirSync(folder.at('cwd')).sort()).toEqual(['model-int8.safetensors', 'one-int8']);
    expectSame('cwd/model-int8.safetensors', 'expected.safetensors');
  });

  it('shows no secret, whatever goes wrong', async () => {
    const url = server.url('one/model.safetensors').replace('//', '//me:hidden@');
    const environment = { MONOQUANT_TOKEN: 'hidden', HF_TOKEN: 'hidden' };
    const shown = [await command(['info', `${url}?X-Amz-Signature=hidden`], environment)];
    expect(shown[0]?.code).toBe(0);
    server.trouble = () => refusal(403);
    shown.push(await command(['info', `${url}?sig=hidden`, '--verbose'], environment));
    shown.push(
      await command(['quantize', `${url}?sig=hidden`, `${url}?sig=2`, '--json'], environment),
    );
    expect(shown.map(({ code }) => code)).toEqual([0, 5, 2]);
    for (const { stdout, stderr } of shown) expect(stdout + stderr).not.toContain('hidden');
  });

  it('asks with the token, and through the proxy', async () => {
    const environment = { MONOQUANT_TOKEN: 'token', http_proxy: server.origin };
    const done = await command(['info', 'http://models.example/one/'], environment);
    expect(done).toMatchObject({ code: 0 });
    expect(server.asked.every(({ headers }) => headers.host === 'models.example')).toBe(true);
    server.asked.length = 0;
    await command(['info', server.url('one/model.safetensors')], environment);
    expect(server.asked.map(({ headers }) => headers.authorization)).toContain('Bearer token');
  });

  it('reads a model of Hugging Face, encrypted through a proxy, with the token of their tools', async () => {
    const certificate = certificateFor('huggingface.co', 'stored.example');
    writeFileSync(folder.at('authority.pem'), certificate.cert);
    const files = Object.entries(FILES).flatMap(([name, content]) => {
      const [own] = /(?<=^one\/).*/.exec(name) ?? [];
      return own === undefined ? [] : [[`org/name/resolve/main/${own}`, content] as const];
    });
    const elsewhere = {
      status: 302,
      headers: { location: 'https://stored.example/x' },
      body: MODEL,
    };
    const hub = await FileServer.start(
      Object.fromEntries([...files, ['x', MODEL]]),
      (reply, { path }) => (path.endsWith('/model.safetensors') ? elsewhere : reply),
      certificate,
    );
    const tunnel = await Tunnel.start(hub.port);
    const closed = await Tunnel.start(hub.port, 403);
    const through = ({ port }: Tunnel) => ({
      https_proxy: `me:word@127.0.0.1:${port}`,
      HF_TOKEN: 'theirs',
      MONOQUANT_TOKEN: 'mine',
      NODE_EXTRA_CA_CERTS: folder.at('authority.pem'),
    });
    try {
      const words = ['quantize', 'https://huggingface.co/org/name', '-q'];
      const done = await command(words, through(tunnel));
      expect(done).toMatchObject({ code: 0, stdout: 'name-int8/model.safetensors\n' });
      await quantize(here('one'), { output: folder.at('of hub/') });
      expectSame('cwd/name-int8/model.safetensors', 'of hub/model.safetensors');
      const asks = (isStored: boolean) =>
        new Set(
          hub.asked
            .filter(({ path }) => (path === '/x') === isStored)
            .map(({ headers }) => headers.authorization),
        );
      expect(asks(false)).toEqual(new Set(['Bearer theirs']));
      expect(asks(true)).toEqual(new Set([undefined]));
      const places = new Set(tunnel.asked.map(({ place }) => place));
      expect(places).toEqual(new Set(['huggingface.co:443', 'stored.example:443']));
      expect(tunnel.asked[0]?.authorization).toBe(`Basic ${btoa('me:word')}`);
      const refused = await command([...words, '--force'], through(closed));
      expect(refused).toMatchObject({ code: 5 });
      expect(refused.stderr).toContain('The proxy does not lead to "huggingface.co:443" (403).');
    } finally {
      await hub.close();
      tunnel.close();
      closed.close();
    }
  });
});

function here(name: string): string {
  return folder.at(`here/${name}`);
}

function command(words: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const { http_proxy, https_proxy, HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, ...env } = process.env;
  const options = { cwd: folder.at('cwd'), env: { ...env, ...environment } };
  return start(process.execPath, [CLI, ...words], options).finished;
}

/** What was asked for of a file: its ranges, null for a whole one, and their bytes together. */
function askedOf(path: string) {
  const ranges = server.asked.flatMap((asked) =>
    asked.path === path ? [/(\d+)-(\d+)/.exec(asked.headers.range ?? '')] : [],
  );
  const bytes = ranges.reduce((sum, range) => sum + Number(range?.[2]) - Number(range?.[1]) + 1, 0);
  return { ranges, bytes };
}

function expectSame(one: string, other: string): void {
  const isSame = readFileSync(folder.at(one)).equals(readFileSync(folder.at(other)));
  expect(isSame, `${one} and ${other}`).toBe(true);
}

function refusal(status: number, headers: Reply['headers'] = {}): Reply {
  return { status, headers, body: new Uint8Array() };
}

function header(reply: Reply, name: string, value: string): Reply {
  return { ...reply, headers: { ...reply.headers, [name]: value } };
}

/** Once at the beginning, and once in the middle. */
function seldom(trouble: Trouble): Trouble {
  let left = 1;
  const middle = late(trouble);
  return (reply, asked) => {
    const own = left === 1 ? trouble(reply, asked) : left === 0 ? middle(reply, asked) : reply;
    if (own !== reply) left--;
    return own;
  };
}

/** Once the weights are being read: after the header. */
function late(trouble: Trouble): Trouble {
  return (reply, asked) => {
    const begin = Number(/\d+/.exec(asked.headers.range ?? '')?.[0] ?? 0);
    return begin > 1_000_000 ? trouble(reply, asked) : reply;
  };
}
