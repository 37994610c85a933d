/**
 * What the variables of the environment say to requests: who asks, and through which proxy.
 * They are read once, when a model is opened; the engine's threads get what was read.
 */
import { MonoquantError } from '../../js/api/errors.js';
import type { Environment } from '../../js/url/client.js';

const TOKEN = 'MONOQUANT_TOKEN';
/** What tools of Hugging Face sign in with: for their host, whatever else is asked for. */
const HUB_TOKEN = { variable: 'HF_TOKEN', host: 'huggingface.co' } as const;
/** Both cases are common; small letters win, as everywhere. */
const PROXIES = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'] as const;

export function environmentOf(all: NodeJS.ProcessEnv): Environment {
  const found: Record<string, string> = {};
  for (const name of [TOKEN, HUB_TOKEN.variable]) {
    const value = all[name]?.trim();
    if (value) found[name] = value;
  }
  for (const name of PROXIES) {
    const value = (all[name] ?? all[name.toUpperCase()])?.trim();
    if (value) found[name] = value;
  }
  return found;
}

/** The header that tells the server of this URL who asks. Never for another server. */
export function authorizationFor(url: URL, environment: Environment): string | undefined {
  if (url.username !== '' || url.password !== '') {
    return basic(url);
  }
  if (!maySignIn(url)) return undefined;
  const isHub = url.protocol === 'https:' && url.host === HUB_TOKEN.host;
  const token = (isHub ? environment[HUB_TOKEN.variable] : undefined) ?? environment[TOKEN];
  if (token === undefined) return undefined;
  // With a scheme of its own, it is the whole value of the header.
  return token.includes(' ') ? token : `Bearer ${token}`;
}

/** A token is a secret: nobody on the way is to read it. */
export function maySignIn({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || isThisMachine(hostname);
}

/** What a suggestion calls the variable that a server's token belongs in. */
export function tokenVariable(url: URL): string {
  return url.host === HUB_TOKEN.host ? HUB_TOKEN.variable : TOKEN;
}

/** The proxy through which a URL is asked for; undefined for the straight way. */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  if (isThisMachine(url.hostname) || isExcepted(url, environment.no_proxy ?? '')) return undefined;
  const own = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const variable = environment[own] === undefined ? 'all_proxy' : own;
  const value = environment[variable];
  if (value === undefined) return undefined;
  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy;
  const found = proxy === undefined ? 'no URL' : `one with "${proxy.protocol}"`;
  throw new MonoquantError(
    'invalid-options',
    `Expected an http: or https: URL of a proxy in ${variable.toUpperCase()}, found ${found}.`,
    { suggestion: 'Set it to another proxy, or list the host in NO_PROXY.' },
  );
}

/** `NO_PROXY` lists hosts, with all below them, perhaps with a port; `*` is every host. */
function isExcepted({ hostname, port, protocol }: URL, list: string): boolean {
  const own = port === '' ? (protocol === 'https:' ? '443' : '80') : port;
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      const [, host = '', wanted] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      if (entry === '*') return true;
      if (host === '' || (wanted !== undefined && wanted !== own)) return false;
      return hostname === host || hostname.endsWith(`.${host}`);
    });
}

/** The header for a proxy whose URL says who asks. */
export function withPassword(proxy: URL): Readonly<Record<string, string>> {
  return proxy.username === '' ? {} : { 'proxy-authorization': basic(proxy) };
}

function basic({ username, password }: URL): string {
  return `Basic ${Buffer.from(`${unescaped(username)}:${unescaped(password)}`).toString('base64')}`;
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
