/**
 * The kept page on a bad network: a host that does not answer, or answers with something else.
 * It exists because "works offline" is believed most where the network is bad, not where there is none.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import type { SiteServer } from './server.js';
import { visitors } from './visit.js';

const visit = visitors();

/** Takes the place of a host that has stopped, at the same address. */
async function instead(
  site: SiteServer,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  const { port } = new URL(site.url);
  await site.stop();
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
  expect((server.address() as AddressInfo).port).toBe(Number(port));
  return server;
}

const HOSTS: readonly (readonly [
  what: string,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
])[] = [
  ['accepts and never answers', () => {}],
  ['is overloaded', (_, response) => response.writeHead(503).end('Try later.')],
  [
    'shows a page of its own',
    (_, response) =>
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<title>Maintenance</title>'),
  ],
];

it.each(HOSTS)('a host that %s', async (_, answer) => {
  const visitor = await visit({ isolated: true });
  const { page } = visitor;
  await visitor.worksOffline();
  const { url } = visitor.server;
  await page.goto('about:blank');
  const server = await instead(visitor.server, answer);
  try {
    // Twice: what came the first time is not kept in the page's place.
    for (let time = 0; time < 2; time++) {
      await page.goto(url, { timeout: 15_000 });
      await visitor.badge('Engine ready').waitFor();
      await page.getByText('Drop a model here').waitFor();
    }
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  visitor.complaints.length = 0;
});
