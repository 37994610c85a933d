/**
 * Runs language models with llama.cpp: a page of its own in a frame, which is there once somebody wants to talk.
 * Its policy lets it start workers of its own making, which that of the page forbids, and reach nothing but this site.
 * It is given files and questions, and answers with text.
 */
import { Wllama } from '@wllama/wllama/esm/index.js';
import threaded from '@wllama/wllama/esm/multi-thread/wllama.wasm?url';
import single from '@wllama/wllama/esm/single-thread/wllama.wasm?url';
import type { Answer, TalkCalls, TalkReply, TalkRequest } from './protocol.js';

/** Tokens of question and answer together. */
const CONTEXT = 2048;
const SILENT = { debug() {}, log() {}, warn() {}, error() {} };
const WASM = { 'single-thread/wllama.wasm': single, 'multi-thread/wllama.wasm': threaded };

const models = new Map<string, Wllama>();

addEventListener('message', ({ origin, source, ports: [port] }) => {
  if (origin === location.origin && source === parent && port !== undefined) serve(port);
});

function serve(port: MessagePort): void {
  const post = (reply: TalkReply) => port.postMessage(reply);
  let last = Promise.resolve();
  port.onmessage = ({ data: request }: MessageEvent<TalkRequest>) => {
    const { id } = request;
    // One after the other: two at a time would share the processor, and neither pace would mean anything.
    last = last.then(async () => {
      try {
        post({ kind: 'answer', id, answer: await answerTo(request, post) });
      } catch (error) {
        post({ kind: 'failure', id, message: error instanceof Error ? error.message : `${error}` });
      }
    });
  };
  post({ kind: 'ready' });
}

function answerTo(request: TalkRequest, post: (reply: TalkReply) => void): Promise<unknown> {
  if (request.kind === 'load') return load(request.given);
  return ask(request.given, (text) => post({ kind: 'piece', id: request.id, text }));
}

async function load({
  name,
  file,
}: TalkCalls['load']['given']): Promise<TalkCalls['load']['answer']> {
  const model = new Wllama(WASM, { logger: SILENT });
  await model.loadModel([file], { n_ctx: CONTEXT });
  models.set(name, model);
  return { threads: model.getNumThreads() };
}

/** The likeliest token each time: what differs between two files is then due to their weights. */
async function ask(
  { name, question, most }: TalkCalls['ask']['given'],
  onText: (text: string) => void,
): Promise<Answer> {
  const model = models.get(name);
  if (model === undefined) throw new Error(`There is no model "${name}".`);
  let [tokens, first, last] = [0, 0, 0];
  const options = {
    nPredict: most,
    sampling: { temp: 0 },
    onNewToken: (_token: number, _piece: Uint8Array, text: string) => {
      last = performance.now();
      if (tokens++ === 0) first = last;
      onText(text);
    },
  };
  const hasTemplate = model.getChatTemplate() !== null;
  const text = hasTemplate
    ? await model.createChatCompletion([{ role: 'user', content: question }], options)
    : await model.createCompletion(question, options);
  const seconds = (last - first) / 1000;
  return {
    text,
    tokens,
    tokensPerSecond: tokens > 1 && seconds > 0 ? (tokens - 1) / seconds : undefined,
  };
}
