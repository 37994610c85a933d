/**
 * Whether the engine with threads can run here.
 * Looks at what works, not at which browser it is.
 */
export function canShareMemory(): boolean {
  if (!globalThis.crossOriginIsolated) return false;
  // Some Safari versions have no workers within workers.
  if (typeof SharedArrayBuffer === 'undefined' || typeof Worker === 'undefined') return false;
  try {
    const { port1 } = new MessageChannel();
    port1.postMessage(new SharedArrayBuffer(1));
    port1.close();
    return true;
  } catch {
    return false;
  }
}
