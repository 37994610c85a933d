/**
 * A server that quantizes what is sent to it: node examples/server.js
 *
 *     curl --data-binary @model.safetensors 'http://127.0.0.1:8080/?bits=4' -o model-int4.safetensors
 *
 * At most WORKERS models are worked on at once, WAITING wait for their turn, and everybody else is told to come back
 * later. Nothing of a request outlives it, also if the client goes away.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { configure, quantize } from 'monoquant';

const PORT = Number(process.env.PORT ?? 8080);
const WORKERS = Number(process.env.WORKERS ?? 2);
const WAITING = Number(process.env.WAITING ?? 20);
const MOST_BYTES = Number(process.env.MOST_BYTES ?? 4e9);

/** Faults of this machine; all others lie in the request. */
const OWN_FAULTS = ['internal', 'engine-unavailable', 'read-failed', 'write-failed'];

class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Calls beyond this many wait in turn.
configure({ maxEngines: WORKERS });
let requests = 0;

/** No more than this much of anybody. */
async function* limited(request) {
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new RequestError(413, `More than ${MOST_BYTES} bytes.`);
    yield chunk;
  }
}

function optionsOf(url) {
  const { searchParams } = new URL(url, 'http://localhost');
  const number = (text) => (/^-?\d+$/.test(text) ? Number(text) : text);
  const options = Object.fromEntries([...searchParams].map(([key, text]) => [key, number(text)]));
  // Only what is harmless to let a stranger choose; monoquant checks the values.
  const { bits, scheme, groupSize, method } = options;
  const known = { bits, scheme, groupSize, method };
  const unknown = Object.keys(options).find((key) => !(key in known));
  if (unknown !== undefined) throw new RequestError(422, `Unknown option "${unknown}".`);
  return known;
}

async function answer(request, response) {
  if (request.method !== 'POST') throw new RequestError(405, 'Send a model with POST.');
  if (requests > WORKERS + WAITING) throw new RequestError(503, 'Too many models at once.');
  const options = optionsOf(request.url);
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const folder = await mkdtemp(join(tmpdir(), 'quantize-'));
  try {
    const model = join(folder, 'model');
    const output = join(folder, 'small.safetensors');
    // A slow sender takes nobody's turn.
    await pipeline(limited(request), createWriteStream(model));
    const run = { threads: 1, signal: gone.signal };
    const { report } = await quantize(model, { ...options, ...run, output });
    const { size } = await stat(output);
    response.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': size,
      'x-sqnr-db': String(report.sqnrDb),
    });
    await pipeline(createReadStream(output), response);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function refuse(error, response) {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { code, message, suggestion } = error;
  const status = error.status ?? (code === undefined || OWN_FAULTS.includes(code) ? 500 : 422);
  if (status === 500) console.error(error);
  // Where files lie here is nobody's business.
  const said = message.replaceAll(/[^"\s]*quantize-\w+[/\\]/g, '');
  const body =
    status === 500 ? { message: 'It did not work.' } : { code, message: said, suggestion };
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(body));
}

const server = createServer(async (request, response) => {
  requests++;
  try {
    await answer(request, response);
  } catch (error) {
    refuse(error, response);
  } finally {
    requests--;
  }
});

server.listen(PORT, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
