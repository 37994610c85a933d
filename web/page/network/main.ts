/**
 * The site's only way to other hosts: a page of its own in a frame, which is there once somebody has opened a URL.
 * Its policy lets it ask servers and do nothing else; that of the page lets the page ask nobody. It is told URLs that
 * were typed, and answers with bytes.
 */
import { MonoquantError } from '../../../js/api/errors.js';
import { FetchClient } from './fetch-client.js';
import type { NetworkFailure, NetworkReply, NetworkRequest } from './protocol.js';
import { ServedModel } from './served-model.js';

addEventListener('message', ({ origin, source, ports: [port] }) => {
  if (origin === location.origin && source === parent && port !== undefined) serve(port);
});

function serve(port: MessagePort): void {
  const model = new ServedModel(new FetchClient());
  const post = (reply: NetworkReply, transferred: Transferable[] = []) =>
    port.postMessage(reply, transferred);
  port.onmessage = async ({ data: request }: MessageEvent<NetworkRequest>) => {
    const { id } = request;
    try {
      const answer = await answerTo(model, request);
      post({ kind: 'answer', id, answer }, answer instanceof Uint8Array ? [answer.buffer] : []);
    } catch (error) {
      post({ kind: 'failure', id, failure: failureOf(error) });
    }
  };
  post({ kind: 'ready' });
}

function answerTo(model: ServedModel, request: NetworkRequest) {
  switch (request.kind) {
    case 'open':
      return model.open(request.given);
    case 'read':
      return model.read(request.given);
    case 'check':
      return model.check(request.given);
  }
}

function failureOf(error: unknown): NetworkFailure {
  if (error instanceof MonoquantError) {
    const { code, message, suggestion } = error;
    return { code, message, suggestion };
  }
  return { code: 'internal', message: String(error), suggestion: undefined };
}
