/**
 * Bytes as tests compare them.
 * It exists because a deep comparison of large arrays, and its message, would take for ever.
 * Hashes are SHA-256, in hexadecimal.
 */
import { expect } from 'vitest';
import type { Bytes } from '../host/host.js';

export async function sha256(bytes: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function expectSameBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  expect(actual.length, `${what}: length`).toBe(expected.length);
  let first = 0;
  while (first < actual.length && actual[first] === expected[first]) first++;
  expect(first, `${what}: first byte that differs`).toBe(actual.length);
}
