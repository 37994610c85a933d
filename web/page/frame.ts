/**
 * A page of this site in a frame that nobody sees, with a policy of its own, and a port to talk to it.
 * It exists because the page itself may neither ask other hosts nor run code that it made: what must, does so apart.
 */

/** However slow a host of static files is. */
const START_MS = 20_000;

export interface Framed {
  readonly frame: HTMLIFrameElement;
  readonly port: MessagePort;
}

/** Done when the page in it has said its first word. */
export async function openFrame(path: string, title: string): Promise<Framed> {
  const frame = document.createElement('iframe');
  frame.title = title;
  frame.hidden = true;
  frame.src = path;
  const { port1: port, port2 } = new MessageChannel();
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = () => reject(new Error('A part of this page did not arrive. Load it again.'));
      setTimeout(fail, START_MS);
      port.onmessage = () => resolve();
      frame.onload = () => frame.contentWindow?.postMessage(null, location.origin, [port2]);
      document.body.append(frame);
    });
  } catch (error) {
    frame.remove();
    throw error;
  }
  return { frame, port };
}
