/**
 * Reading what is behind a URL, against a server that misbehaves on purpose.
 * Time is given: what waits for minutes takes none here. Bytes are the file's, or the error says why there are none.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MonoquantError } from '#package/node';
import { spokenName } from '../../js/api/spoken-url.js';
import { addressOf } from '../../js/url/address.js';
import { openIfThere, openRemote, type RemoteFile } from '../../js/url/remote.js';
import type { Surroundings } from '../../js/url/surroundings.js';
import { remoteSource, UrlSource } from '../../js/url/url-source.js';
import { UrlClient } from '../../node/url/client.js';
import { authorizationFor, environmentOf, proxyFor } from '../../node/url/environment.js';
import { FileServer, honestReply, type Reply, type Trouble } from '../support/file-server.js';
import { Random } from '../support/random.js';

const CONTENT = contentOf(5 << 20);
const NOW = Date.parse('2024-05-06T07:08:09Z');

let server: FileServer;
let waits: number[];

beforeEach(async () => {
  waits = [];
  server = await FileServer.start({ 'a/model.safetensors': CONTENT, empty: new Uint8Array() });
});
afterEach(() => server.close());

describe('what is read', () => {
  it('is what the file has, at all places and in all lengths', async () => {
    const source = await open();
    expect(source.size).toBe(CONTENT.length);
    const random = new Random(3);
    for (let round = 0; round < 60; round++) {
      const length = Math.floor(2 ** (random.uniform() * 22));
      const offset = Math.floor(random.uniform() * (CONTENT.length - length));
      await expectBytes(source, offset, length);
    }
    await expectBytes(source, 0, CONTENT.length);
    await expectBytes(source, CONTENT.length - 1, 1);
  });

  it('is asked for in several parts at once, and small things only once', async () => {
    const source = await open();
    let now = 0;
    let most = 0;
    server.trouble = (reply) => {
      most = Math.max(most, ++now);
      setTimeout(() => now--, 20);
      return reply;
    };
    await expectBytes(source, 0, CONTENT.length);
    expect(most).toBeGreaterThan(1);
    server.asked.length = 0;
    for (let offset = 0; offset < 200_000; offset += 1000) await expectBytes(source, offset, 900);
    expect(server.asked).toHaveLength(1);
  });

  it('may be nothing', async () => {
    expect((await openRemote(new URL(server.url('empty')), client())).size).toBe(0);
  });

  const passing: readonly (readonly [name: string, trouble: Trouble])[] = [
    ['slow', (reply) => ({ ...reply, drop: 100_000 })],
    ['cut off again and again', (reply) => ({ ...reply, cut: 300_000 })],
    ['cut off before anything came, now and then', every(3, (reply) => ({ ...reply, cut: 0 }))],
    ['shorter than asked', shortened],
    ['busy, now and then', every(2, () => status(503))],
    ['refused for asking too often', every(2, () => status(429, { 'retry-after': '7' }))],
    ['broken behind the server', every(2, () => status(502))],
  ];
  it.each(passing)('is the same if it is %s', async (_, trouble) => {
    const source = await open();
    server.trouble = trouble;
    await expectBytes(source, 12_345, 3_000_000);
  });

  it('goes on from the byte that was reached', async () => {
    const source = await open();
    server.asked.length = 0;
    server.trouble = (reply) => ({ ...reply, cut: 500_000 });
    await expectBytes(source, 0, 1_600_000);
    const begins = server.asked.map(({ headers }) => headers.range?.match(/\d+/)?.[0]);
    expect(begins).toEqual(['0', '500000', '1000000', '1500000']);
    expect(waits).toEqual([]);
  });
});

describe('waiting', () => {
  it('grows with each failure in a row, by chance, and ends', async () => {
    const source = await open();
    server.trouble = () => status(503);
    const error = await failure(source.read(0, new Uint8Array(100)), 'read-failed');
    expect(error.message).toContain('503');
    // At chance 0.5 three quarters of the most.
    expect(waits).toEqual([375, 750, 1500, 3000, 6000, 12000, 15000]);
  });

  it.each([
    ['7', 7000],
    [new Date(NOW + 90_000).toUTCString(), 90_000],
  ])('is as long as the server asks for: Retry-After: %s', async (value, ms) => {
    const source = await open();
    server.asked.length = 0;
    server.trouble = every(2, () => status(429, { 'retry-after': value }), 0);
    await expectBytes(source, 0, 100);
    expect(waits).toEqual([ms + 375]);
  });

  it('is not longer than a person would wait', async () => {
    const source = await open();
    server.trouble = () => status(503, { 'retry-after': '7200' });
    const error = await failure(source.read(0, new Uint8Array(100)), 'read-failed');
    expect(error.message).toContain('120 minutes');
    expect(waits).toEqual([]);
  });

  it('is short for a server that is not there', async () => {
    const url = new URL('http://127.0.0.1:1/model.safetensors');
    const error = await failure(openRemote(url, client()), 'read-failed');
    expect(error.message).toContain('nothing answers there');
    expect(waits).toHaveLength(2);
  });

  it('ends with a server that says nothing', async () => {
    const source = await open({ silenceMs: 30 });
    server.trouble = (reply) => ({ ...reply, isSilent: true });
    const error = await failure(source.read(0, new Uint8Array(100)), 'read-failed');
    expect(error.message).toContain('does not answer');
  });

  it('ends with its call', async () => {
    server.trouble = () => status(503);
    const abort = new AbortController();
    const url = new URL(server.url('a/model.safetensors'));
    const sleeping = client({
      sleep: async () => {
        abort.abort();
        throw new Error('ended');
      },
    });
    await failure(openRemote(url, sleeping, abort.signal), 'aborted');
    await failure(openRemote(url, client(), abort.signal), 'aborted');
  });
});

describe('an answer that is wrong', () => {
  const wrong: readonly (readonly [name: string, says: string, trouble: Trouble])[] = [
    [
      'another part',
      'was asked for bytes 100-100099/',
      (reply) => range(reply, 'bytes 0-99999/5242880'),
    ],
    [
      'more than asked',
      'and sends bytes 100-',
      (reply) => range(reply, 'bytes 100-999999/5242880'),
    ],
    [
      'a part without a name',
      'a part that has no name',
      (reply) => without(reply, 'content-range'),
    ],
    ['all of it', 'all of it where', (reply) => ({ ...reply, status: 200, body: CONTENT })],
    ['no such part', '(416)', () => status(416, { 'content-range': 'bytes */5242880' })],
    ['packed bytes', 'packed (gzip)', (reply) => header(reply, 'content-encoding', 'gzip')],
    ['a door', '(401)', () => status(401)],
    ['a teapot', 'the status 418', () => status(418)],
  ];
  it.each(wrong)('is told: %s', async (_, says, trouble) => {
    const source = await open();
    server.trouble = trouble;
    const error = await failure(source.read(100, new Uint8Array(100_000)), 'read-failed');
    expect(error.message).toContain(says);
    expect(waits).toEqual([]);
  });

  it.each<[string, Trouble]>([
    ['another ETag', (reply) => header(reply, 'etag', '"other"')],
    ['no ETag any more', (reply) => without(reply, 'etag')],
    ['another length', (reply) => range(reply, 'bytes 100-100099/777')],
    ['a length in a refusal', () => status(416, { 'content-range': 'bytes */50' })],
    ['a precondition', () => status(412)],
    ['another file, whole', (reply) => header({ ...reply, status: 200 }, 'etag', '"other"')],
  ])('is told as a change: %s', async (_, trouble) => {
    const source = await open();
    server.trouble = trouble;
    await failure(source.read(100, new Uint8Array(100_000)), 'file-changed');
  });

  it('with nothing to tell a change by is refused, if it is much; a date is enough', async () => {
    const nameless: Trouble = (reply) => without(reply, 'etag', 'last-modified');
    server.trouble = (reply, asked) => range(nameless(reply, asked), `bytes 0-0/${65 << 20}`);
    const { message } = await failure(open(), 'read-failed');
    expect(message).toContain('neither a strong ETag nor a date');
    server.trouble = nameless;
    const little = await openRemote(new URL(server.url('a/model.safetensors')), client());
    await expectBytes(
      remoteSource(little, () => client()),
      0,
      CONTENT.length,
    );
    server.trouble = (reply) => header(reply, 'etag', 'W/"weak"');
    const source = await open();
    await expectBytes(source, 0, 100_000);
    const { headers } = server.asked.at(-1) ?? {};
    expect(headers?.['if-unmodified-since']).toBe('Tue, 02 Jan 2024 03:04:05 GMT');
    server.trouble = (reply) => header(reply, 'last-modified', 'Wed, 03 Jan 2024 03:04:05 GMT');
    await failure(source.read(0, new Uint8Array(100_000)), 'file-changed');
  });
});

describe('a server without parts', () => {
  it('is read whole if that is little', async () => {
    server.trouble = (reply) => ({ ...reply, status: 200, body: CONTENT });
    const remote = await openRemote(new URL(server.url('a/model.safetensors')), client());
    server.asked.length = 0;
    await expectBytes(
      remoteSource(remote, () => client()),
      1000,
      1_000_000,
    );
    expect(server.asked).toEqual([]);
  });

  it('is refused if that is much, before it has come', async () => {
    server.trouble = (reply) =>
      header({ ...reply, status: 200, body: CONTENT, cut: 10 }, 'content-length', `${65 << 20}`);
    const { message, suggestion } = await failure(open(), 'read-failed');
    expect(message).toContain('more than 64 MiB');
    expect(suggestion).toContain('Download');
    expect(waits).toEqual([]);
  });

  it('is read anew if it was cut off', async () => {
    server.trouble = (reply, { number }) => ({
      ...reply,
      status: 200,
      body: CONTENT,
      ...(number === 0 ? { cut: 100_000 } : {}),
    });
    const remote = await openRemote(new URL(server.url('a/model.safetensors')), client());
    await expectBytes(
      remoteSource(remote, () => client()),
      0,
      CONTENT.length,
    );
  });
});

describe('redirections', () => {
  it('are followed once, and again when they have expired', async () => {
    let good = 'one';
    server.trouble = (_, { path, headers }) => {
      if (path === '/a/model.safetensors') return redirection(`/stored?by=${good}`);
      if (path !== `/stored?by=${good}`) return status(403);
      return honestReply(CONTENT, headers);
    };
    const source = await open();
    server.asked.length = 0;
    await expectBytes(source, 0, 100_000);
    await expectBytes(source, 500_000, 100_000);
    expect(server.asked.map(({ path }) => path)).toEqual([
      '/a/model.safetensors',
      '/stored?by=one',
      '/stored?by=one',
    ]);
    good = 'two';
    await expectBytes(source, 1_000_000, 100_000);
  });

  it.each<[string, string, Trouble]>([
    ['in a circle', 'in a circle', (_, { path }) => redirection(path === '/b' ? '/c' : '/b')],
    ['without end', 'more than 10', (_, { number }) => redirection(`/${number}`)],
    ['to nowhere', 'to nowhere', () => status(302)],
    ['to another protocol', 'to ftp:', () => redirection('ftp://127.0.0.1/x')],
  ])('are refused: %s', async (_, says, trouble) => {
    server.trouble = trouble;
    const { message } = await failure(open(), 'read-failed');
    expect(message).toContain(says);
  });

  it('tell another server nothing of who asks, and nobody after it', async () => {
    const other = await FileServer.start({});
    const asks = (from: FileServer) => from.asked.map(({ headers }) => headers.authorization);
    try {
      server.trouble = (_, { path, headers }) => {
        if (path === '/a/model.safetensors') return redirection('/same');
        if (path === '/same') return redirection(other.url('elsewhere'));
        return honestReply(CONTENT, headers);
      };
      other.trouble = () => redirection(server.url('back'));
      const environment = environmentOf({ MONOQUANT_TOKEN: 'secret' });
      await openRemote(new URL(server.url('a/model.safetensors')), client({}, environment));
      expect(asks(server)).toEqual(['Bearer secret', 'Bearer secret', undefined]);
      expect(asks(other)).toEqual([undefined]);
    } finally {
      await other.close();
    }
  });
});

describe('what may not be there', () => {
  it.each<[string, Trouble]>([
    ['404', (reply) => ({ ...reply, status: 404 })],
    ['403', (reply) => ({ ...reply, status: 403 })],
    ['a page', (reply) => header(reply, 'content-type', 'text/html; charset=utf-8')],
  ])('is not there: %s', async (_, trouble) => {
    server.trouble = trouble;
    const url = new URL(server.url('a/model.safetensors'));
    expect(await openIfThere(url, client())).toBeUndefined();
  });

  it('is not taken for absent because the server is busy', async () => {
    server.trouble = () => status(503);
    const url = new URL(server.url('a/model.safetensors'));
    await failure(openIfThere(url, client()), 'read-failed');
  });
});

describe('the environment', () => {
  it('has tokens for hosts', () => {
    const environment = environmentOf({ MONOQUANT_TOKEN: ' mine ', HF_TOKEN: 'hf' });
    const asks = (url: string) => authorizationFor(new URL(url), environment);
    expect(asks('https://example.org/m')).toBe('Bearer mine');
    expect(asks('https://huggingface.co/m')).toBe('Bearer hf');
    expect(asks('https://huggingface.co.example.org/m')).toBe('Bearer mine');
    expect(asks('http://127.0.0.1:80/m')).toBe('Bearer mine');
    // In the open, nothing is told.
    expect(asks('http://example.org/m')).toBeUndefined();
    expect(asks('https://me:p%40ss@example.org/m')).toBe(
      `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
    );
    const onlyHub = environmentOf({ HF_TOKEN: 'hf' });
    expect(authorizationFor(new URL('https://example.org/'), onlyHub)).toBeUndefined();
    const whole = environmentOf({ MONOQUANT_TOKEN: 'Basic abc' });
    expect(authorizationFor(new URL('https://example.org/'), whole)).toBe('Basic abc');
  });

  it('has proxies, and hosts that need none', () => {
    const through = (url: string, variables: NodeJS.ProcessEnv) =>
      proxyFor(new URL(url), environmentOf(variables))?.href;
    const one = 'http://one:1/';
    expect(through('https://a.org/', { HTTPS_PROXY: one })).toBe(one);
    expect(through('https://a.org/', { HTTP_PROXY: one })).toBeUndefined();
    expect(through('http://a.org/', { http_proxy: 'one:1' })).toBe(one);
    expect(through('http://a.org/', { ALL_PROXY: one })).toBe(one);
    expect(through('http://a.org/', { HTTP_PROXY: 'http://two/', http_proxy: one })).toBe(one);
    expect(through('http://127.0.0.1/', { ALL_PROXY: one })).toBeUndefined();
    const except = (NO_PROXY: string) => through('https://x.a.org/', { ALL_PROXY: one, NO_PROXY });
    for (const list of ['*', 'x.a.org', 'b.org, a.org', '.a.org', '*.a.org', 'a.org:443']) {
      expect(except(list), list).toBeUndefined();
    }
    for (const list of ['', 'org.a', 'a.org:80', 'xa.org', 'y.a.org']) {
      expect(except(list), list).toBe(one);
    }
    expect(() => through('https://a.org/', { ALL_PROXY: 'socks5://one' })).toThrow('socks5:');
  });

  it('leads through a proxy', async () => {
    const url = new URL('http://models.example/a/model.safetensors');
    const environment = environmentOf({ HTTP_PROXY: `http://me:word@127.0.0.1:${server.port}` });
    const remote = (await openRemote(url, client({}, environment))) as RemoteFile;
    await expectBytes(new UrlSource(remote, client({}, environment)), 0, 300_000);
    const { headers } = server.asked.at(-1) ?? {};
    expect(headers?.host).toBe('models.example');
    expect(headers?.['proxy-authorization']).toMatch(/^Basic /);
  });
});

describe('addresses', () => {
  const HUB = 'https://huggingface.co';
  it.each([
    [
      'https://a.org/x/model.safetensors',
      'file',
      'https://a.org/x/model.safetensors',
      'model.safetensors',
    ],
    ['https://a.org/x/model.pt?key=1#here', 'file', 'https://a.org/x/model.pt?key=1', 'model.pt'],
    ['https://a.org/x/Llama-3.1', 'folder', 'https://a.org/x/Llama-3.1/', 'Llama-3.1'],
    ['https://a.org/x/?key=1', 'folder', 'https://a.org/x/?key=1', 'x'],
    ['https://a.org', 'folder', 'https://a.org/', 'a.org'],
    ['https://a.org/..%2F..%2Fb.pt', 'file', 'https://a.org/..%2F..%2Fb.pt', '.._.._b.pt'],
    [
      'https://a.org/m.safetensors.index.json',
      'index',
      'https://a.org/m.safetensors.index.json',
      'm.safetensors.index.json',
    ],
    [`${HUB}/org/name`, 'folder', `${HUB}/org/name/resolve/main/`, 'name'],
    [`${HUB}/gpt2/`, 'folder', `${HUB}/gpt2/resolve/main/`, 'gpt2'],
    [`${HUB}/gpt2/tree/v1.x`, 'folder', `${HUB}/gpt2/resolve/v1.x/`, 'gpt2'],
    [
      'https://hf.co/org/name/tree/main/sub/in.side',
      'folder',
      `${HUB}/org/name/resolve/main/sub/in.side/`,
      'in.side',
    ],
    [
      `${HUB}/org/name/tree/refs%2Fpr%2F1`,
      'folder',
      `${HUB}/org/name/resolve/refs%2Fpr%2F1/`,
      'name',
    ],
    [
      `${HUB}/org/name/blob/main/sub/model.pt`,
      'file',
      `${HUB}/org/name/resolve/main/sub/model.pt`,
      'model.pt',
    ],
    [
      `${HUB}/org/name/resolve/main/model.pt?download=true`,
      'file',
      `${HUB}/org/name/resolve/main/model.pt`,
      'model.pt',
    ],
    [
      `${HUB}/datasets/org/name/blob/main/x.npz`,
      'file',
      `${HUB}/datasets/org/name/resolve/main/x.npz`,
      'x.npz',
    ],
  ])('%s is a %s', (named, kind, url, name) => {
    const address = addressOf(named);
    expect(address).toMatchObject({ kind, name });
    expect(address?.url.href).toBe(url);
  });

  it('are those of the web, and nothing else', () => {
    for (const other of [
      'model.pt',
      'file:///x.pt',
      'https:/x',
      'https://',
      's3://b/x',
      42,
      undefined,
    ]) {
      expect(addressOf(other)).toBeUndefined();
    }
  });

  it('are shown without secrets', () => {
    const shown = spokenName('https://me:secret@a.org/x.pt?X-Amz-Signature=secret#secret');
    expect(shown).toBe('https://a.org/x.pt');
    expect(spokenName('a?b#c.pt')).toBe('a?b#c.pt');
  });
});

function client(changes: Partial<Surroundings> = {}, environment = environmentOf({})): UrlClient {
  return new UrlClient(environment, {
    now: () => NOW,
    random: () => 0.5,
    sleep: async (ms) => {
      waits.push(ms);
    },
    silenceMs: 10_000,
    ...changes,
  });
}

async function open(changes: Partial<Surroundings> = {}): Promise<UrlSource> {
  const remote = await openRemote(new URL(server.url('a/model.safetensors')), client());
  waits.length = 0;
  return new UrlSource(remote as RemoteFile, client(changes));
}

async function expectBytes(
  source: { read(offset: number, into: Uint8Array): Promise<void> },
  offset: number,
  length: number,
): Promise<void> {
  const into = new Uint8Array(length);
  await source.read(offset, into);
  const isSame = Buffer.compare(into, CONTENT.subarray(offset, offset + length)) === 0;
  expect(isSame, `${length} bytes at ${offset}`).toBe(true);
}

async function failure(work: Promise<unknown>, code: string): Promise<MonoquantError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code });
  return error as MonoquantError;
}

function status(code: number, headers: Reply['headers'] = {}): Reply {
  return { status: code, headers, body: new Uint8Array() };
}

function redirection(location: string): Reply {
  return status(302, { location });
}

function header(reply: Reply, name: string, value: string): Reply {
  return { ...reply, headers: { ...reply.headers, [name]: value } };
}

function range(reply: Reply, value: string): Reply {
  return header(reply, 'content-range', value);
}

function without(reply: Reply, ...names: readonly string[]): Reply {
  const kept = Object.entries(reply.headers).filter(([name]) => !names.includes(name));
  return { ...reply, headers: Object.fromEntries(kept) };
}

/** Trouble for one of `period` answers. */
function every(period: number, trouble: Trouble, first = 0): Trouble {
  let count = 0;
  return (reply, asked) => (count++ % period === first ? trouble(reply, asked) : reply);
}

/** The server sends half of what it was asked for, and says so. */
function shortened(reply: Reply): Reply {
  const body = reply.body.subarray(0, Math.ceil(reply.body.length / 2));
  const text = reply.headers['content-range'] ?? '';
  const begin = Number(/\d+/.exec(text)?.[0]);
  return range({ ...reply, body }, `bytes ${begin}-${begin + body.length - 1}/${CONTENT.length}`);
}

function contentOf(size: number): Uint8Array {
  const random = new Random(1);
  return Uint8Array.from({ length: size }, () => Math.floor(random.uniform() * 256));
}
